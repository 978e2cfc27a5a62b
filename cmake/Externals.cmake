# SPDX-License-Identifier: Apache-2.0
# The libraries of others, as imported targets. What `make setup` built is in TALLY_PREFIX; the rest
# is Debian's. A fit library of the system is taken where the prefix has none (setup accepts it).

if(DEFINED ENV{TALLY_CACHE})
  set(_tally_cache "$ENV{TALLY_CACHE}")
elseif(DEFINED ENV{XDG_CACHE_HOME})
  set(_tally_cache "$ENV{XDG_CACHE_HOME}/tallyworks")
else()
  set(_tally_cache "$ENV{HOME}/.cache/tallyworks")
endif()
set(TALLY_PREFIX "${_tally_cache}/prefix" CACHE PATH "where make setup put what it built")
# The thread sanitizer needs Kafka's and Redis' clients built for it.
set(TALLY_CLIENTS "${TALLY_PREFIX}")
if(TALLY_SANITIZE MATCHES "thread")
  set(TALLY_CLIENTS "${_tally_cache}/tsan")
  foreach(client librdkafka libhiredis)
    if(NOT EXISTS "${TALLY_CLIENTS}/lib/${client}.a")
      message(FATAL_ERROR "no ${client} for the thread sanitizer. Run: deploy/setup/setup.sh tsan")
    endif()
  endforeach()
endif()

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)
find_package(OpenSSL REQUIRED)
set(ENV{PKG_CONFIG_PATH} "${TALLY_PREFIX}/lib/pkgconfig:$ENV{PKG_CONFIG_PATH}")

# tally_external(NAME MODULE...): tally::NAME from pkg-config modules.
function(tally_external name)
  pkg_check_modules(${name} IMPORTED_TARGET GLOBAL ${ARGN})
  if(NOT ${name}_FOUND)
    list(JOIN ARGN ", " wanted)
    message(FATAL_ERROR "${wanted} not found, neither in ${TALLY_PREFIX} nor in the system. "
                        "Run: make setup")
  endif()
  add_library(tally::${name} ALIAS PkgConfig::${name})
endfunction()

# The modules that librdkafka's static archive was built against.
function(tally_external_rdkafka)
  set(archive "${TALLY_CLIENTS}/lib/librdkafka.a")
  if(NOT EXISTS "${archive}")
    tally_external(rdkafka "rdkafka>=2.14.2")
    foreach(bad 2.5.0 2.10.0)
      if(rdkafka_VERSION VERSION_EQUAL bad)
        message(FATAL_ERROR "librdkafka ${bad} is not fit (research/exactly-once.md)")
      endif()
    endforeach()
    return()
  endif()
  tally_external(lz4 liblz4)
  tally_external(zstd libzstd)
  add_library(tally_rdkafka STATIC IMPORTED GLOBAL)
  set_target_properties(tally_rdkafka PROPERTIES
    IMPORTED_LOCATION "${archive}"
    INTERFACE_INCLUDE_DIRECTORIES "${TALLY_CLIENTS}/include"
    INTERFACE_COMPILE_DEFINITIONS LIBRDKAFKA_STATICLIB
    INTERFACE_LINK_LIBRARIES
      "OpenSSL::SSL;OpenSSL::Crypto;ZLIB::ZLIB;tally::lz4;tally::zstd;Threads::Threads;m;rt;dl")
  add_library(tally::rdkafka ALIAS tally_rdkafka)
endfunction()

function(tally_external_hiredis)
  if(NOT EXISTS "${TALLY_CLIENTS}/lib/libhiredis.a")
    tally_external(hiredis "hiredis>=1.2.0" "hiredis_ssl>=1.2.0")
    return()
  endif()
  add_library(tally_hiredis STATIC IMPORTED GLOBAL)
  set_target_properties(tally_hiredis PROPERTIES
    IMPORTED_LOCATION "${TALLY_CLIENTS}/lib/libhiredis_ssl.a"
    INTERFACE_INCLUDE_DIRECTORIES "${TALLY_CLIENTS}/include"
    INTERFACE_LINK_LIBRARIES "${TALLY_CLIENTS}/lib/libhiredis.a;OpenSSL::SSL;OpenSSL::Crypto")
  add_library(tally::hiredis ALIAS tally_hiredis)
endfunction()

tally_external_rdkafka()
tally_external_hiredis()
tally_external(yyjson "yyjson>=0.10.0")
tally_external(jansson "jansson>=2.12")
tally_external(event libevent_core libevent_extra libevent_pthreads libevent_openssl)
tally_external(cmocka "cmocka>=1.1.5")
tally_external(xxhash "libxxhash>=0.8")
add_library(tally::crypto ALIAS OpenSSL::Crypto)

# Debian's own Python comes first: python3-jsonschema is there and not in a private one.
find_program(TALLY_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
find_program(TALLY_PYTHON python3 REQUIRED)
