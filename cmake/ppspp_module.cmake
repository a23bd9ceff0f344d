# ppspp_module(NAME SOURCES file... [DEPENDS module...] [LIBRARIES target...])
#
# One module of libppspp: a static library that links exactly the modules which it may use, so that a
# module's tests do not link when the module reaches for something that it must not know.
function(ppspp_module name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;LIBRARIES" ${ARGN})
  add_library(ppspp_${name} STATIC ${ARG_SOURCES})
  target_include_directories(ppspp_${name} PUBLIC
    "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/libppspp/src>"
    "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/libppspp/include>")
  target_link_libraries(ppspp_${name} PRIVATE "$<BUILD_INTERFACE:ppspp_compile_options>")
  list(TRANSFORM ARG_DEPENDS PREPEND ppspp_)
  target_link_libraries(ppspp_${name} PUBLIC ${ARG_DEPENDS} ${ARG_LIBRARIES})
  set_property(GLOBAL APPEND PROPERTY PPSPP_MODULES ${name})
endfunction()

# ppspp_module_test(NAME SOURCES file... [LIBRARIES target...] [SECONDS seconds]
#                   [MEASURES pattern...])
#
# The doctest binary of one module, which links that module and nothing else of libppspp. What is
# said to take long begins first. MEASURES are patterns of test cases that simulate for long to compare
# figures, all of it by paths that others take as well: builds with sanitizers leave them out.
function(ppspp_module_test name)
  cmake_parse_arguments(ARG "" "SECONDS" "SOURCES;LIBRARIES;MEASURES" ${ARGN})
  add_executable(${name}_test ${ARG_SOURCES} $<TARGET_OBJECTS:doctest_main>)
  target_include_directories(${name}_test PRIVATE "${PROJECT_SOURCE_DIR}/tests")
  target_link_libraries(${name}_test PRIVATE ppspp_${name} ${ARG_LIBRARIES}
    "$<BUILD_INTERFACE:ppspp_compile_options>")
  set(arguments "")
  if(PPSPP_SANITIZE AND ARG_MEASURES)
    list(JOIN ARG_MEASURES "," measures)
    set(arguments "--test-case-exclude=${measures}")
  endif()
  add_test(NAME ${name} COMMAND ${name}_test ${arguments})
  set_tests_properties(${name} PROPERTIES TIMEOUT 300)
  if(ARG_SECONDS)
    set_tests_properties(${name} PROPERTIES COST ${ARG_SECONDS})
  endif()
endfunction()
