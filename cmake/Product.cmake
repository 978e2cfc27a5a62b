# SPDX-License-Identifier: Apache-2.0
# How the product's folders become targets. A folder that has no sources yet is passed over, and a
# link to a target that does not exist is none, so that parts can be written in any order.

set(TALLY_GENERATED "${CMAKE_BINARY_DIR}/generated")
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
# yyjson may lie in make setup's cache: installed programs find it as those of the build tree do.
set(CMAKE_INSTALL_RPATH_USE_LINK_PATH ON)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/lib")

# tally_library(NAME [SOURCES FILE...] [FOLDERS FOLDER...] [LINKS TARGET...]): a static library of
# the .c files in the folders (main.c excepted: those are programs).
function(tally_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;FOLDERS;LINKS" ${ARGN})
  set(sources ${arg_SOURCES})
  foreach(folder IN LISTS arg_FOLDERS)
    file(GLOB found CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/${folder}/*.c")
    list(FILTER found EXCLUDE REGEX "/main\\.c$")
    list(APPEND sources ${found})
  endforeach()
  if(NOT sources)
    return()
  endif()
  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PUBLIC tally_flags)
  foreach(link IN LISTS arg_LINKS)
    if(link MATCHES "^tally_")
      set(link "$<TARGET_NAME_IF_EXISTS:${link}>")
    endif()
    target_link_libraries(${name} PUBLIC ${link})
  endforeach()
  if(TARGET tally_generated)
    add_dependencies(${name} tally_generated)
    target_include_directories(${name} PUBLIC "${TALLY_GENERATED}")
  endif()
  set_property(GLOBAL APPEND PROPERTY TALLY_LIBRARIES ${name})
endfunction()

# tally_link_product(TARGET): everything, as one group, because a table in services is asked by the
# runtime that services stand on. The linker takes from it only what the target needs.
function(tally_link_product target)
  get_property(libraries GLOBAL PROPERTY TALLY_LIBRARIES)
  target_link_libraries(${target} PRIVATE tally_flags)
  if(libraries)
    list(JOIN libraries "," group)
    target_link_libraries(${target} PRIVATE "$<LINK_GROUP:RESCAN,${group}>")
  endif()
endfunction()

# tally_program(NAME SOURCE...): an executable in bin/, part of the target `programs`.
function(tally_program name)
  add_executable(${name} ${ARGN})
  tally_link_product(${name})
  set_target_properties(${name} PROPERTIES TALLY_PROGRAM ON)
  add_dependencies(programs ${name})
endfunction()

# tally_worker(NAME): services/NAME is a worker that defines `const struct worker NAME_worker`. Its
# folder goes into tally_services, its table into the list of all workers (services/workers.c), and
# it becomes the program bin/tally-NAME. Call before tally_services().
function(tally_worker name)
  set_property(GLOBAL APPEND PROPERTY TALLY_WORKERS ${name})
endfunction()

function(tally_services)
  get_property(workers GLOBAL PROPERTY TALLY_WORKERS)
  set(folders services)
  set(list "/* From the tally_worker() lines of CMakeLists.txt. */\n#define WORKER_LIST(X)")
  foreach(worker IN LISTS workers)
    list(APPEND folders services/${worker})
    string(APPEND list " X(${worker})")
  endforeach()
  file(CONFIGURE OUTPUT "${TALLY_GENERATED}/worker_list.h" CONTENT "${list}\n" @ONLY)
  tally_library(tally_services FOLDERS ${folders} LINKS tally_runtime)
endfunction()

function(tally_worker_programs)
  get_property(workers GLOBAL PROPERTY TALLY_WORKERS)
  foreach(worker IN LISTS workers)
    tally_program(tally-${worker} "${CMAKE_SOURCE_DIR}/services/main.c")
    target_compile_definitions(tally-${worker} PRIVATE TALLY_WORKER=${worker}_worker)
  endforeach()
endfunction()

# services/tallyctl: all but main.c is a library too, so that tests can call its commands.
function(tally_tallyctl)
  set(main "${CMAKE_SOURCE_DIR}/services/tallyctl/main.c")
  tally_embed(completion_functions services/tallyctl/completion.bash services/tallyctl/completion.h)
  tally_library(tally_ctl FOLDERS services/tallyctl
                SOURCES "${TALLY_GENERATED}/completion_functions.c" LINKS tally_host tally_services)
  if(EXISTS "${main}")
    tally_program(tallyctl "${main}")
  endif()
endfunction()

# Man pages and bash completion, which tallyctl prints from its tables, and what is installed.
function(tally_manual)
  get_property(workers GLOBAL PROPERTY TALLY_WORKERS)
  list(TRANSFORM workers PREPEND tally-)
  set(pages tallyctl.1 tally-dashboard.1 tallyworks.conf.5 tallyworks.bash)
  foreach(worker IN LISTS workers)
    list(APPEND pages ${worker}.1)
  endforeach()
  set(folder "${CMAKE_BINARY_DIR}/share")
  file(MAKE_DIRECTORY "${folder}")
  foreach(page IN LISTS pages)
    add_custom_command(
      OUTPUT "${folder}/${page}"
      COMMAND tallyctl --print-docs ${page} > "${folder}/${page}"
      DEPENDS tallyctl
      COMMENT "Printing ${page}"
      VERBATIM)
    list(APPEND files "${folder}/${page}")
  endforeach()
  add_custom_target(manual ALL DEPENDS ${files})
  add_dependencies(programs manual)
  install(TARGETS tallyctl tally-dashboard ${workers} RUNTIME)
  foreach(page IN LISTS pages)
    if(page MATCHES "\\.([15])$")
      install(FILES "${folder}/${page}" DESTINATION share/man/man${CMAKE_MATCH_1})
    endif()
  endforeach()
  file(GLOB units CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/deploy/systemd/*.service")
  install(FILES ${units} DESTINATION lib/systemd/system)
  # bash-completion looks for a file of the program's name.
  foreach(program tallyctl tally-dashboard ${workers})
    install(FILES "${folder}/tallyworks.bash" DESTINATION share/bash-completion/completions
            RENAME ${program})
  endforeach()
endfunction()

# services/dashboard: all but main.c is a library, for its tests; the page's files are in it.
function(tally_dashboard)
  set(sources "")
  file(GLOB files CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/services/dashboard/page/*")
  foreach(file IN LISTS files)
    get_filename_component(name "${file}" NAME)
    string(REPLACE "." "_" name "page_${name}")
    file(RELATIVE_PATH path "${CMAKE_SOURCE_DIR}" "${file}")
    tally_embed(${name} ${path} services/dashboard/page.h)
    list(APPEND sources "${TALLY_GENERATED}/${name}.c")
  endforeach()
  tally_contract()
  list(APPEND sources "${TALLY_GENERATED}/contract_files.c")
  tally_library(tally_dashboard FOLDERS services/dashboard SOURCES ${sources}
                LINKS tally_ctl tally_host tally_services)
  tally_program(tally-dashboard "${CMAKE_SOURCE_DIR}/services/dashboard/main.c")
endfunction()

# The contract as a page, and the files of schemas/ that the dashboard serves beside it.
function(tally_contract)
  set(generator "${CMAKE_SOURCE_DIR}/schemas/contract.py")
  file(GLOB_RECURSE schemas CONFIGURE_DEPENDS
       "${CMAKE_SOURCE_DIR}/schemas/*.json" "${CMAKE_SOURCE_DIR}/schemas/*.py")
  add_custom_command(
    OUTPUT "${TALLY_GENERATED}/contract_files.c"
    COMMAND "${TALLY_PYTHON}" "${generator}" --out "${TALLY_GENERATED}"
    DEPENDS ${schemas} "${CMAKE_SOURCE_DIR}/schemas/asyncapi.yaml"
            "${CMAKE_SOURCE_DIR}/docs/PUBLISH.md" "${CMAKE_SOURCE_DIR}/docs/ERRORS.md"
            "${CMAKE_SOURCE_DIR}/docs/TOPICS.md" "${CMAKE_SOURCE_DIR}/cmake/embed.py"
    COMMENT "Generating the contract's page from schemas/"
    VERBATIM)
endfunction()

# bench/NAME.c is the program bin/NAME.
function(tally_benches)
  file(GLOB benches CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/bench/*.c")
  foreach(file IN LISTS benches)
    get_filename_component(name "${file}" NAME_WE)
    tally_program(bench_${name} "${file}")
    set_target_properties(bench_${name} PROPERTIES OUTPUT_NAME ${name})
  endforeach()
endfunction()

# The C structs and decode tables of the events, generated from schemas/.
function(tally_generate)
  set(generator "${CMAKE_SOURCE_DIR}/schemas/generate.py")
  if(NOT EXISTS "${generator}")
    return()
  endif()
  file(GLOB_RECURSE schemas CONFIGURE_DEPENDS
       "${CMAKE_SOURCE_DIR}/schemas/*.json" "${CMAKE_SOURCE_DIR}/schemas/*.py")
  add_custom_command(
    OUTPUT "${TALLY_GENERATED}/events.c" "${TALLY_GENERATED}/events.h"
    COMMAND "${TALLY_PYTHON}" "${generator}" --out "${TALLY_GENERATED}"
    # A generator that leaves an unchanged file alone would otherwise run at every build.
    COMMAND "${CMAKE_COMMAND}" -E touch "${TALLY_GENERATED}/events.c" "${TALLY_GENERATED}/events.h"
    DEPENDS ${schemas}
    WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}"
    COMMENT "Generating events.h and events.c from schemas/"
    VERBATIM)
  add_custom_target(tally_generated DEPENDS "${TALLY_GENERATED}/events.c"
                                            "${TALLY_GENERATED}/events.h")
endfunction()

# tally_embed(NAME FILE HEADER): generated/NAME.c with the file's bytes as the array NAME.
function(tally_embed name file header)
  add_custom_command(
    OUTPUT "${TALLY_GENERATED}/${name}.c"
    COMMAND "${TALLY_PYTHON}" "${CMAKE_SOURCE_DIR}/cmake/embed.py" "${CMAKE_SOURCE_DIR}/${file}"
            ${name} ${header} "${TALLY_GENERATED}/${name}.c"
    DEPENDS "${CMAKE_SOURCE_DIR}/${file}" "${CMAKE_SOURCE_DIR}/cmake/embed.py"
    COMMENT "Embedding ${file}"
    VERBATIM)
endfunction()
