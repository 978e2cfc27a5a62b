# SPDX-License-Identifier: Apache-2.0
# Language, warnings (STYLE.md lists them) and what the options of the presets mean.

option(TALLY_WERROR "warnings are errors" OFF)
option(TALLY_LTO "link-time optimisation of the programs" OFF)
option(TALLY_COVERAGE "count executed lines" OFF)
option(TALLY_FUZZ "libFuzzer programs (clang)" OFF)
option(TALLY_FAILPOINTS "fail-points, inactive without TALLY_FAILPOINT in the environment" ON)
set(TALLY_SANITIZE "" CACHE STRING "the compiler's -fsanitize= list, empty for none")

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# No NDEBUG: must() is always on, and assert() of others may stay.
set(CMAKE_C_FLAGS_DEBUG "-O1 -g3 -fno-omit-frame-pointer")
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g -fno-omit-frame-pointer -D_FORTIFY_SOURCE=2")

add_library(tally_flags INTERFACE)
target_compile_definitions(tally_flags INTERFACE _GNU_SOURCE)
target_include_directories(tally_flags INTERFACE "${CMAKE_SOURCE_DIR}")
target_compile_options(tally_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla
  -Wformat=2 -Wswitch-enum -Wcast-qual -Wwrite-strings -Wundef -fno-common
  # Generated list types share the layout of struct list and are accessed through it.
  -fno-strict-aliasing)
target_link_options(tally_flags INTERFACE -Wl,--as-needed -Wl,-z,relro,-z,now)
if(TALLY_WERROR)
  target_compile_options(tally_flags INTERFACE -Werror)
endif()
if(TALLY_FAILPOINTS)
  target_compile_definitions(tally_flags INTERFACE TALLY_FAILPOINTS=1)
endif()
if(TALLY_SANITIZE)
  target_compile_options(tally_flags INTERFACE
    -fsanitize=${TALLY_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(tally_flags INTERFACE -fsanitize=${TALLY_SANITIZE})
  # The arena gives each allocation its own block, so that the sanitizer sees its ends.
  target_compile_definitions(tally_flags INTERFACE TALLY_SANITIZED=1)
endif()
if(TALLY_COVERAGE)
  target_compile_options(tally_flags INTERFACE --coverage)
  target_link_options(tally_flags INTERFACE --coverage)
endif()
if(TALLY_FUZZ)
  if(NOT CMAKE_C_COMPILER_ID MATCHES Clang)
    message(FATAL_ERROR "the fuzz preset needs clang. Run: deploy/setup/setup.sh fuzz")
  endif()
  target_compile_options(tally_flags INTERFACE -fsanitize=fuzzer-no-link)
  target_link_options(tally_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# Link-time optimisation where it pays, in what ships: the archives carry machine code as well, and
# only the programs are linked with it, so that a hundred tests do not pay for it at each link.
if(TALLY_LTO)
  include(CheckIPOSupported)
  check_ipo_supported(RESULT lto_works OUTPUT lto_why LANGUAGES C)
  if(lto_works AND CMAKE_C_COMPILER_ID STREQUAL GNU)
    target_compile_options(tally_flags INTERFACE -flto=auto -ffat-lto-objects)
    set(lto_wanted "$<BOOL:$<TARGET_PROPERTY:TALLY_PROGRAM>>")
    target_link_options(tally_flags INTERFACE "$<IF:${lto_wanted},-flto=auto,-fno-lto>")
  else()
    message(STATUS "no link-time optimisation: ${lto_why}")
  endif()
endif()
