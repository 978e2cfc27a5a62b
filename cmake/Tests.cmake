# SPDX-License-Identifier: Apache-2.0
# Tests: each level of the ladder is a folder tests/LEVEL, a ctest label LEVEL and a target
# tests_LEVEL. A test is a file test_*.c (linked with the whole product and cmocka), test_*.py or
# test_*.sh below it; other .c files of a level are helpers of its tests, those of tests/support are
# helpers of all.
#
# Tests run in the repository root. They find: TALLY_TEST_BUILD (the build folder), TALLY_TEST_BIN
# (its programs), and, at the levels that need the real ones, from tests/run.sh:
# TALLY_TEST_BROKERS (host:port), TALLY_TEST_REDIS (redis:// URL), TALLY_TEST_DIR (scratch folder).
# Exit status 77 means skipped.

enable_testing()

# Tests of the real parts have names of their own on the one broker and Redis, or servers of their
# own; most of their time is waiting, so tests/run.sh runs some side by side. Alone run those that
# have lanes of their own, that measure, or whose point is a moment that a busy machine may miss.
set(TALLY_TESTS_ALONE conformance/store_trouble integration/dashboard
    integration/dashboard_browser integration/hand_over integration/service_manager
    integration/worker_cli faults/faults faults/proxy faults/strain)
# These take the place of two.
set(TALLY_TESTS_WIDE integration/add_a_worker integration/fault_matrix)
# These begin first, in this order.
set(TALLY_TESTS_LONG conformance/broker_trouble integration/add_a_worker integration/fault_matrix
    integration/strained integration/redis_emptied integration/out_of_memory
    integration/ctl_explain integration/ctl_repair integration/poison)

function(tally_test_properties test level)
  set_tests_properties(${test} PROPERTIES
    LABELS ${level} SKIP_RETURN_CODE 77 TIMEOUT 300
    WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}"
    ENVIRONMENT "TALLY_TEST_BUILD=${CMAKE_BINARY_DIR};TALLY_TEST_BIN=${CMAKE_BINARY_DIR}/bin")
  if(level STREQUAL sim) # some take a minute on an idle machine
    set_tests_properties(${test} PROPERTIES TIMEOUT 1200)
  endif()
  if(level MATCHES "^(conformance|integration)$")
    set_tests_properties(${test} PROPERTIES TIMEOUT 1800)
  endif()
  list(FIND TALLY_TESTS_LONG ${test} place)
  if(NOT place EQUAL -1)
    math(EXPR cost "1000 - ${place}")
    set_tests_properties(${test} PROPERTIES COST ${cost})
  endif()
  if(test IN_LIST TALLY_TESTS_ALONE)
    set_tests_properties(${test} PROPERTIES RUN_SERIAL ON)
  endif()
  if(test IN_LIST TALLY_TESTS_WIDE)
    set_tests_properties(${test} PROPERTIES PROCESSORS 2)
  endif()
  if(level STREQUAL "faults") # FAULTS=full
    set_tests_properties(${test} PROPERTIES TIMEOUT 10800)
  endif()
endfunction()

# tally_test_program(TARGET LEVEL SOURCE...): part of tests_LEVEL, so that one level can be built.
function(tally_test_program target level)
  add_executable(${target} ${ARGN})
  tally_link_product(${target})
  target_link_libraries(${target} PRIVATE tally::cmocka)
  foreach(helpers tally_test_${level} tally_test_support)
    if(TARGET ${helpers})
      target_link_libraries(${target} PRIVATE ${helpers})
    endif()
  endforeach()
  set_target_properties(${target} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests/${level}")
  add_dependencies(tests_${level} ${target})
endfunction()

function(tally_test_helpers level folder)
  file(GLOB_RECURSE helpers CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/${folder}/*.c")
  list(FILTER helpers EXCLUDE REGEX "/(test_[^/]*|preload_[^/]*|run_cases)\\.c$")
  if(helpers)
    tally_library(tally_test_${level} SOURCES ${helpers} LINKS tally_services tally_memory
                  tally_runtime)
    target_link_libraries(tally_test_${level} PUBLIC tally::cmocka)
  endif()
endfunction()

function(tally_test_level level)
  set(folder "${CMAKE_SOURCE_DIR}/tests/${level}")
  add_custom_target(tests_${level})
  if(NOT EXISTS "${folder}")
    return()
  endif()
  tally_test_helpers(${level} tests/${level})
  file(GLOB_RECURSE tests CONFIGURE_DEPENDS
       "${folder}/test_*.c" "${folder}/test_*.py" "${folder}/test_*.sh")
  foreach(file IN LISTS tests)
    file(RELATIVE_PATH name "${folder}" "${file}")
    string(REGEX REPLACE "test_([^/]*)\\.[a-z]+$" "\\1" name "${name}")
    string(REPLACE "/" "_" target "${level}_${name}")
    if(file MATCHES "\\.c$")
      tally_test_program(${target} ${level} "${file}")
      add_test(NAME ${level}/${name} COMMAND ${target})
    elseif(file MATCHES "\\.py$")
      add_test(NAME ${level}/${name} COMMAND "${TALLY_PYTHON}" "${file}")
    else()
      add_test(NAME ${level}/${name} COMMAND bash "${file}")
    endif()
    tally_test_properties(${level}/${name} ${level})
  endforeach()
endfunction()

function(tally_tests)
  tally_test_helpers(support tests/support)
  foreach(level unit schemas sim conformance cases integration faults tidy)
    tally_test_level(${level})
  endforeach()
  # The only program whose runtime can be mutated: it compiles a runtime of its own, so that nothing
  # of the product's library is linked.
  if(TARGET sim_mutants)
    file(GLOB runtime CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/common/runtime/*.c")
    target_sources(sim_mutants PRIVATE ${runtime})
    target_compile_definitions(sim_mutants PRIVATE TALLY_MUTANTS=1)
    add_dependencies(sim_mutants tally_generated)
  endif()
  # Given / when / then files, one test a worker that has some.
  if(EXISTS "${CMAKE_SOURCE_DIR}/tests/cases/run_cases.c")
    tally_test_program(run_cases cases "${CMAKE_SOURCE_DIR}/tests/cases/run_cases.c")
    file(GLOB cases CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/cases/*/*.case")
    list(TRANSFORM cases REPLACE "/[^/]*$" "")
    list(REMOVE_DUPLICATES cases)
    foreach(folder IN LISTS cases)
      get_filename_component(name "${folder}" NAME)
      add_test(NAME cases/${name}/case COMMAND run_cases "${folder}")
      tally_test_properties(cases/${name}/case cases)
    endforeach()
  endif()
  # The code's law, as far as a program can check it.
  if(EXISTS "${CMAKE_SOURCE_DIR}/tests/tidy/tidy.py")
    add_test(NAME tidy/tidy COMMAND "${TALLY_PYTHON}" tests/tidy/tidy.py)
    tally_test_properties(tidy/tidy tidy)
  endif()
endfunction()

# tests/fuzz/fuzz_*.c have LLVMFuzzerTestOneInput(). In the fuzz preset they are libFuzzer programs;
# elsewhere they are tests that feed the corpus tests/fuzz/corpus/NAME and seeded changes of it.
function(tally_fuzz)
  file(GLOB files CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/fuzz/fuzz_*.c")
  add_custom_target(tests_fuzz)
  foreach(file IN LISTS files)
    get_filename_component(target "${file}" NAME_WE)
    string(REPLACE "fuzz_" "" name "${target}")
    set(corpus "${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name}")
    if(TALLY_FUZZ)
      add_executable(${target} "${file}")
      target_link_options(${target} PRIVATE -fsanitize=fuzzer)
    else()
      add_executable(${target} "${file}" "${CMAKE_SOURCE_DIR}/cmake/fuzz_driver.c")
      add_test(NAME fuzz/${name} COMMAND ${target} "${corpus}")
      tally_test_properties(fuzz/${name} fuzz)
    endif()
    tally_fuzz_program(${target})
  endforeach()
  # What others say of the same bytes.
  add_executable(verdicts "${CMAKE_SOURCE_DIR}/tests/fuzz/verdicts.c")
  tally_fuzz_program(verdicts)
  add_test(NAME fuzz/differential
           COMMAND "${TALLY_PYTHON}" "${CMAKE_SOURCE_DIR}/tests/fuzz/test_differential.py")
  tally_test_properties(fuzz/differential fuzz)
endfunction()

function(tally_fuzz_program target)
  tally_link_product(${target})
  if(TARGET tally_test_sim)
    target_link_libraries(${target} PRIVATE tally_test_sim)
  endif()
  set_target_properties(${target} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests/fuzz")
  add_dependencies(tests_fuzz ${target})
endfunction()
