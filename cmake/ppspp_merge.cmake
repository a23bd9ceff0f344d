# With PPSPP_MERGE sources of a target are compiled several at a time, and the headers that they share
# are read once. What stands in the unnamed namespaces of merged sources must not share a name: where
# it does, "redefinition of" in such a build, the source is named here and stays by itself.
set(PPSPP_UNMERGED
  libppspp/src/crypto/signing_key.cc
  libppspp/src/files/hash_file.cc
  libppspp/src/files/recording_store.cc
  libppspp/src/files/tree_file.cc
  libppspp/src/net/local_links.cc
  libppspp/src/net/trackers.cc
  libppspp/src/swarm/live_swarm_pick.cc
  libppspp/src/swarm/static_swarm_peers.cc
  ppsppd/gateway/visit.cc
  ppsppd/http/response_head.cc
  ppsppd/metrics.cc
  tests/bins/bin_set_bounds_test.cc
  tests/channel/path_search_test.cc
  tests/channel/rate_meter_test.cc
  tests/channel/request_queue_test.cc
  tests/channel/sent_chunks_test.cc
  tests/congestion/bottleneck_test.cc
  tests/congestion/current_delay_filter_test.cc
  tests/congestion/pacer_test.cc
  tests/crypto/signature_test.cc
  tests/crypto/signing_key_test.cc
  tests/endpoint/bounds_test.cc
  tests/endpoint/handshake_test.cc
  tests/endpoint/live_hostile_test.cc
  tests/endpoint/live_receiving_test.cc
  tests/endpoint/live_test.cc
  tests/endpoint/many_swarms_test.cc
  tests/endpoint/pex_test.cc
  tests/gateway/place_test.cc
  tests/sim/scaling.cc
  tests/sim/swarm_run.cc
  tests/swarm/rarest_first_test.cc
  tests/tools/output_stream_test.cc
  tests/tracker/examples_test.cc
  tests/tracker_server/registry_test.cc
  tests/tracker_server/request_limits_test.cc
  tests/tracker_server/tracker_service_test.cc
  tests/wire/handshake_test.cc
  tests/wire/nameable_test.cc
  tools/ctl_options.cc
  tools/ctl_streams.cc
  tools/get_session.cc
  tools/hand_over.cc
  tools/live_output.cc
  tools/pipe_input.cc
  tools/seed_live.cc
  tools/udp_input.cc
)
foreach(source IN LISTS PPSPP_UNMERGED)
  if(source MATCHES "^tests/" AND NOT PPSPP_BUILD_TESTS)
    continue()
  endif()
  get_filename_component(directory "${source}" DIRECTORY)
  while(NOT EXISTS "${PROJECT_SOURCE_DIR}/${directory}/CMakeLists.txt")
    get_filename_component(directory "${directory}" DIRECTORY)
  endwhile()
  if(NOT EXISTS "${PROJECT_SOURCE_DIR}/${source}")
    message(FATAL_ERROR "cmake/ppspp_merge.cmake names ${source}, which is not there")
  endif()
  set_source_files_properties("${PROJECT_SOURCE_DIR}/${source}"
    DIRECTORY "${PROJECT_SOURCE_DIR}/${directory}" PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
endforeach()

# Tests are compiled without optimisation, which takes half of the time; what they test is not.
if(PPSPP_BUILD_TESTS)
  get_property(directories DIRECTORY "${PROJECT_SOURCE_DIR}/tests" PROPERTY SUBDIRECTORIES)
  foreach(directory IN LISTS directories)
    get_property(targets DIRECTORY "${directory}" PROPERTY BUILDSYSTEM_TARGETS)
    foreach(target IN LISTS targets)
      get_target_property(sources ${target} SOURCES)
      if(sources MATCHES "doctest_main" AND NOT PPSPP_SANITIZE)
        target_compile_options(${target} PRIVATE -O0)
      endif()
    endforeach()
  endforeach()
endif()
