# Compiler settings that hold for every target, and the switches of a build.
option(PPSPP_BUILD_TESTS "Build the tests and the replay of the fuzz corpora" ON)
option(PPSPP_BUILD_FUZZ "Build the fuzz targets, as replays of their corpora unless PPSPP_FUZZ" ON)
option(PPSPP_BUILD_BENCH "Build the benchmark programs of script/bench" OFF)
option(PPSPP_LTO "Optimise across sources, when a program is linked: half a minute for each" OFF)
option(PPSPP_PRECOMPILE "Compile common headers once: faster full builds, without ccache" OFF)
set(PPSPP_MERGE OFF CACHE STRING
  "Compile several sources of a target at once: faster full builds; OFF, TESTS (only theirs) or ON")
option(PPSPP_FUZZ "Build the fuzz targets with libFuzzer (clang only)" OFF)
option(PPSPP_CHECK_INVARIANTS "Check the expensive invariants after every step" OFF)
set(PPSPP_SANITIZE "" CACHE STRING "Sanitizers, as for -fsanitize=: address,undefined or thread")

if(PPSPP_MERGE AND NOT PPSPP_MERGE STREQUAL "TESTS")
  set(CMAKE_UNITY_BUILD ON)
endif()
set(CMAKE_UNITY_BUILD_BATCH_SIZE 10)

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(PPSPP_PRECOMPILE)
  # All alike, since they share what is compiled once: the programs as well, and those that use
  # libraries whose pkg-config asks for this definition.
  add_compile_options(-fPIC)
  add_compile_definitions(_REENTRANT)
else()
  set(CMAKE_POSITION_INDEPENDENT_CODE ON)
endif()
# -O3 gains nothing measurable here, takes longer, and makes GCC 12 see overruns that cannot happen.
# Two words that were just written are not to be read as one vector, for which the processor has to
# wait: 3 % of the CPU time of a transfer.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG -fno-tree-slp-vectorize")
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

# 5 % of a transfer's CPU time, and programs that are smaller by a quarter. Two types of one name are
# an error that shows only here. Not by itself: the library that is installed would be for this very
# compiler alone.
if(PPSPP_LTO)
  include(CheckIPOSupported)
  check_ipo_supported(LANGUAGES CXX)
  set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_link_options(-Werror=odr)
  endif()
endif()

add_library(ppspp_compile_options INTERFACE)
target_compile_options(ppspp_compile_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast
  -Wnon-virtual-dtor -Woverloaded-virtual
  # Options are structs with defaults, of which one names what differs.
  -Wno-missing-field-initializers
  # GCC 12 sees overlapping copies in std::string operator+ where there are none (its bug 105329).
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
# GCC 12 warns of more in what it has precompiled or merged: builds without that are those that are
# strict.
if(NOT PPSPP_PRECOMPILE)
  target_compile_options(ppspp_compile_options INTERFACE
    $<$<NOT:$<BOOL:$<TARGET_PROPERTY:UNITY_BUILD>>>:-Werror>)
endif()
if(PPSPP_CHECK_INVARIANTS)
  target_compile_definitions(ppspp_compile_options INTERFACE PPSPP_CHECK_INVARIANTS=1)
endif()
if(PPSPP_SANITIZE)
  add_compile_options(-fsanitize=${PPSPP_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${PPSPP_SANITIZE})
  if(PPSPP_PRECOMPILE AND PPSPP_SANITIZE MATCHES "address.*undefined" AND
      CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # A third of the time that such a build takes is for the checks for null (which AddressSanitizer
    # reports as well), for misalignment (no octets are read as anything wider) and for types that are
    # not what a cast says. A build without PPSPP_PRECOMPILE and the fuzz targets have them all.
    add_compile_options(-fno-sanitize=null,alignment,object-size,vptr)
  endif()
endif()
if(PPSPP_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Boost.Asio has fences beside its locks, which this sanitizer does not model: a warning of GCC's.
  add_compile_options(-Wno-tsan)
endif()
if(PPSPP_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

find_program(PPSPP_CCACHE ccache)
if(PPSPP_CCACHE AND NOT PPSPP_PRECOMPILE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${PPSPP_CCACHE}")
endif()
