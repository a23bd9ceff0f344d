# With PPSPP_PRECOMPILE the headers that most sources of a kind include are compiled once. Sources
# still name what they include: builds without it, which are the default, see to that.

find_package(CLI11 REQUIRED)
add_library(ppspp_precompiled INTERFACE)
target_link_libraries(ppspp_precompiled INTERFACE fmt::fmt tl::expected Boost::headers)

# Not <filesystem>, in which std::quoted comes along and competes with functions of that name.
set(ppspp_headers_plain <algorithm> <array> <chrono> <functional> <map> <memory> <optional> <span>
  <string> <unordered_map> <variant> <vector> <fmt/format.h> <tl/expected.hpp>)
set(ppspp_headers_asio ${ppspp_headers_plain} <filesystem> <boost/asio/io_context.hpp>
  <boost/asio/ip/tcp.hpp> <boost/asio/ip/udp.hpp> <boost/asio/local/stream_protocol.hpp>
  <boost/asio/posix/stream_descriptor.hpp> <boost/asio/signal_set.hpp>
  <boost/asio/steady_timer.hpp> <boost/asio/write.hpp>)
set(ppspp_headers_cli ${ppspp_headers_asio} <CLI/CLI.hpp>)
set(ppspp_headers_test ${ppspp_headers_plain} <doctest/doctest.h>)
set(ppspp_headers_test_asio ${ppspp_headers_asio} <doctest/doctest.h>)

function(ppspp_precompile_with target kind)
  set(holder ppspp_precompiled_${kind})
  if(NOT TARGET ${holder})
    file(WRITE "${PROJECT_BINARY_DIR}/precompiled/${kind}.cc" "")
    add_library(${holder} OBJECT "${PROJECT_BINARY_DIR}/precompiled/${kind}.cc")
    target_link_libraries(${holder} PRIVATE ppspp_precompiled ppspp_compile_options)
    target_precompile_headers(${holder} PRIVATE ${ppspp_headers_${kind}})
    if(kind STREQUAL "cli")
      target_link_libraries(${holder} PRIVATE CLI11::CLI11)
    endif()
  endif()
  target_link_libraries(${target} PRIVATE "$<BUILD_INTERFACE:ppspp_precompiled>")
  target_precompile_headers(${target} REUSE_FROM ${holder})
  # It asks doctest for more than its header.
  set_source_files_properties("${PROJECT_SOURCE_DIR}/tests/support/doctest_main.cc"
    TARGET_DIRECTORY ${target} PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
endfunction()

# ppspp_precompile_directory(DIRECTORY KIND): all targets in it and below.
function(ppspp_precompile_directory directory kind)
  set(path "${PROJECT_SOURCE_DIR}/${directory}")
  if(NOT EXISTS "${path}/CMakeLists.txt")
    return()
  endif()
  get_property(targets DIRECTORY "${path}" PROPERTY BUILDSYSTEM_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(type ${target} TYPE)
    get_target_property(sources ${target} SOURCES)
    # What includes doctest must link its main, which programs that tests start do not.
    if(kind MATCHES "^test" AND NOT sources MATCHES "doctest_main.cc")
      continue()
    endif()
    if(type MATCHES "^(STATIC_LIBRARY|EXECUTABLE)$")
      ppspp_precompile_with(${target} ${kind})
    endif()
  endforeach()
  get_property(inner DIRECTORY "${path}" PROPERTY SUBDIRECTORIES)
  foreach(below IN LISTS inner)
    file(RELATIVE_PATH name "${PROJECT_SOURCE_DIR}" "${below}")
    ppspp_precompile_directory("${name}" ${kind})
  endforeach()
endfunction()

set(ppspp_plain_modules base json bins crypto congestion metadata tracker wire integrity storage channel swarm
  endpoint files control)
foreach(module IN LISTS ppspp_plain_modules)
  ppspp_precompile_directory(libppspp/src/${module} plain)
endforeach()
ppspp_precompile_directory(libppspp/src/net asio)
ppspp_precompile_directory(tools cli)
ppspp_precompile_directory(ppsppd asio)
if(PPSPP_BUILD_TESTS)
  find_package(doctest REQUIRED)
  foreach(module IN LISTS ppspp_plain_modules)
    ppspp_precompile_directory(tests/${module} test)
  endforeach()
  foreach(module net transfer tools http gateway daemon)
    ppspp_precompile_directory(tests/${module} test_asio)
  endforeach()
endif()
