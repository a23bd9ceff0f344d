# Runs on what was installed, before the package is made of it: puts things where Debian wants them.
file(GLOB_RECURSE service "${CPACK_TEMPORARY_INSTALL_DIRECTORY}/*/ppsppd.service")
if(NOT service)
  message(FATAL_ERROR "no ppsppd.service below ${CPACK_TEMPORARY_INSTALL_DIRECTORY}")
endif()
string(REGEX REPLACE "/usr/lib/systemd/system/ppsppd.service$" "" root "${service}")
set(source "${PPSPP_SOURCE_DIR}")
set(docs "${root}/usr/share/doc/ppspp")

# Units name the program by its path.
set(CMAKE_INSTALL_FULL_SBINDIR /usr/sbin)
set(CMAKE_INSTALL_FULL_DOCDIR /usr/share/doc/ppspp)
configure_file("${source}/conf/ppsppd.service.in" "${service}" @ONLY)
configure_file("${source}/conf/ppspp-tracker.service.in"
  "${root}/usr/lib/systemd/system/ppspp-tracker.service" @ONLY)

# The configuration is a conffile.
file(RENAME "${root}/usr/etc" "${root}/etc")

# What only programmers need.
file(GLOB development "${root}/usr/include" "${root}/usr/lib/*/*.a" "${root}/usr/lib/*.a"
  "${root}/usr/lib/*/cmake" "${root}/usr/lib/*/pkgconfig" "${root}/usr/lib/cmake"
  "${root}/usr/lib/pkgconfig")
file(REMOVE_RECURSE ${development})
file(GLOB multiarch LIST_DIRECTORIES true "${root}/usr/lib/*-linux-gnu*")
foreach(directory IN LISTS multiarch)
  file(GLOB left "${directory}/*")
  if(NOT left)
    file(REMOVE_RECURSE "${directory}")
  endif()
endforeach()

file(REMOVE "${docs}/LICENSE")
file(COPY "${source}/cmake/debian/copyright" DESTINATION "${docs}")
configure_file("${source}/cmake/debian/changelog" "${docs}/changelog.Debian" COPYONLY)
file(GLOB pages "${root}/usr/share/man/man*/*")
execute_process(COMMAND gzip -n9 "${docs}/changelog.Debian" ${pages} COMMAND_ERROR_IS_FATAL ANY)

file(COPY "${source}/cmake/debian/lintian-overrides"
  DESTINATION "${root}/usr/share/lintian/overrides")
file(RENAME "${root}/usr/share/lintian/overrides/lintian-overrides"
  "${root}/usr/share/lintian/overrides/ppspp")
execute_process(COMMAND chmod -R u=rwX,go=rX "${root}" COMMAND_ERROR_IS_FATAL ANY)
