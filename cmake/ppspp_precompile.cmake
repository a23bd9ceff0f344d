# With PPSPP_PRECOMPILE the headers that most sources of a kind include are compiled once. Sources
# still name what they include: builds without it, which are the default, see to that.

add_library(ppspp_precompiled INTERFACE)
target_link_libraries(ppspp_precompiled INTERFACE fmt::fmt tl::expected Boost::headers)

# Not <filesystem>, in which std::quoted comes along and competes with functions of that name.
set(ppspp_headers_plain <algorithm> <array> <chrono> <functional> <map> <memory> <optional> <span>
  <string> <unordered_map> <variant> <vector> <fmt/format.h> <tl/expected.hpp>)
set(ppspp_headers_asio ${ppspp_headers_plain} <filesystem> <boost/asio/io_context.hpp>
  <boost/asio/ip/tcp.hpp> <boost/asio/ip/udp.hpp> <boost/asio/local/stream_protocol.hpp>
  <boost/asio/posix/stream_descriptor.hpp> <boost/asio/signal_set.hpp>
  <boost/asio/steady_timer.hpp> <boost/asio/write.hpp>)
# Not CLI11, which then would take its time in each source, whether it uses that or not.
set(ppspp_headers_program ${ppspp_headers_asio})
set(ppspp_headers_test ${ppspp_headers_plain} <doctest/doctest.h>)
set(ppspp_headers_test_asio ${ppspp_headers_asio} <doctest/doctest.h>)
# What is not called often is compiled without optimisation, which takes half of the time. The tests
# of the core run swarms, whose time sanitizers multiply already.
set(ppspp_options_program -O0)
set(ppspp_options_test_asio -O0)
if(PPSPP_SANITIZE MATCHES "address" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # The checks as calls: faster to compile, slower to run.
  foreach(kind asio program test_asio)
    list(APPEND ppspp_options_${kind} --param=asan-instrumentation-with-call-threshold=0)
  endforeach()
endif()

function(ppspp_precompile_with target kind)
  set(holder ppspp_precompiled_${kind})
  if(NOT TARGET ${holder})
    file(WRITE "${PROJECT_BINARY_DIR}/precompiled/${kind}.cc" "")
    add_library(${holder} OBJECT "${PROJECT_BINARY_DIR}/precompiled/${kind}.cc")
    target_link_libraries(${holder} PRIVATE ppspp_precompiled ppspp_compile_options)
    target_compile_options(${holder} PRIVATE ${ppspp_options_${kind}})
    target_precompile_headers(${holder} PRIVATE ${ppspp_headers_${kind}})
  endif()
  target_link_libraries(${target} PRIVATE "$<BUILD_INTERFACE:ppspp_precompiled>")
  target_compile_options(${target} PRIVATE ${ppspp_options_${kind}})
  target_precompile_headers(${target} REUSE_FROM ${holder})
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
    if(kind MATCHES "^test" AND NOT sources MATCHES "doctest_main")
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

set(ppspp_plain_modules base json bins crypto congestion metadata tracker wire integrity storage channel
  discovery swarm endpoint files control)
foreach(module IN LISTS ppspp_plain_modules)
  ppspp_precompile_directory(libppspp/src/${module} plain)
endforeach()
ppspp_precompile_directory(libppspp/src/net asio)
ppspp_precompile_directory(tools program)
ppspp_precompile_directory(ppsppd program)
if(PPSPP_BUILD_TESTS)
  find_package(doctest REQUIRED)
  foreach(module IN LISTS ppspp_plain_modules)
    ppspp_precompile_directory(tests/${module} test)
  endforeach()
  ppspp_precompile_directory(tests/tracker_server test)
  ppspp_precompile_directory(tests/sim test)
  ppspp_precompile_with(sim_world plain)
  if(PPSPP_BUILD_FUZZ)
    ppspp_precompile_directory(fuzz plain)
  endif()
  foreach(module net tools http gateway daemon)
    ppspp_precompile_directory(tests/${module} test_asio)
  endforeach()
  foreach(program ppspp-sim gateway_host udp_relay)
    ppspp_precompile_with(${program} program)
  endforeach()
endif()
