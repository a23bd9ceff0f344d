# The Debian package: `cpack --config build/release/CPackConfig.cmake -G DEB`. One package with the
# programs and what a service needs; the library for other programs is not in it.
set(PPSPP_MAINTAINER "The ppspp authors <ppspp@users.noreply.github.com>" CACHE STRING
  "Who is named as the maintainer of the package")

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME ppspp)
set(CPACK_PACKAGE_CONTACT "${PPSPP_MAINTAINER}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ
  GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "systemd | systemd-standalone-sysusers, init-system-helpers (>= 1.54~)")
# Peers on the local network are found by its means as well, where it runs.
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "avahi-daemon")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "peer-to-peer streaming of files and live feeds (RFC 7574)")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"The Peer-to-Peer Streaming Peer Protocol distributes files and live streams
among those who want them. Every chunk is checked against the ID of its
swarm, and transfers give way to other traffic (LEDBAT).
.
This package contains the daemon ppsppd, which seeds, fetches and relays any
number of swarms over one UDP port and hands them to players and browsers
over HTTP; its client ppspp-ctl; ppspp-seed and ppspp-get, which do one swarm
each without a daemon; and ppspp-tracker, which tells peers of each other
(RFC 7846) and is not started unless it is enabled.")
set(debian "${PROJECT_SOURCE_DIR}/cmake/debian")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA "${debian}/conffiles" "${debian}/postinst" "${debian}/prerm"
  "${debian}/postrm")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_PRE_BUILD_SCRIPTS "${debian}/arrange.cmake")
set(CPACK_PROJECT_CONFIG_FILE "${CMAKE_CURRENT_BINARY_DIR}/CPackPpspp.cmake")
file(WRITE "${CPACK_PROJECT_CONFIG_FILE}" "set(PPSPP_SOURCE_DIR \"${PROJECT_SOURCE_DIR}\")\n")
include(CPack)
