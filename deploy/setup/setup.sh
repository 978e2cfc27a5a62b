#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gets everything that Tallyworks builds, tests and runs with, on Debian 12 or 13, as root or with
# sudo. Part by part: Debian packages, Kafka's jars, librdkafka, hiredis, yyjson, Prometheus. What
# is not installed goes into a cache folder outside the build tree, so a second run takes a second:
#   ${TALLY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tallyworks}/
#     prefix/{include,lib,lib/pkgconfig}   static libraries for the build
#     tsan/{include,lib}                   two of them for preset tsan
#     kafka/lib                            the broker's jars
#     prometheus/                          prometheus and promtool, for tests of deploy/
#     asyncapi/                            AsyncAPI's own parser, for a test of schemas/
#     stamps/<part>-<version>              what is done; remove one to do that part again
#     log/<part>.log                       long output; its tail is printed when a part fails
# Packages come from the machine's own registries only: apt's sources name the archive and the
# keyring, Maven's settings name the repository. The machine's own apt lists and suites are left
# as they are: newer suites are read through lists of our own, inside the cache.
#
# usage: setup.sh [part...]     parts: packages kafka rdkafka hiredis yyjson prometheus asyncapi
#                               (default: these all),
#                               compile (of packages, what compiling needs and no more),
#                               fuzz (clang with libFuzzer), lint (shellcheck),
#                               tsan (librdkafka and hiredis for the thread sanitizer)
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE
readonly CACHE=${TALLY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tallyworks}
readonly PREFIX=$CACHE/prefix
readonly TSAN_PREFIX=$CACHE/tsan

readonly KAFKA_VERSION=4.1.0
readonly RDKAFKA_MIN=2.14.2      # older ones lose or repeat transactional output in known cases
readonly RDKAFKA_BAD='2.5.0 2.10.0'
readonly HIREDIS_MIN=1.2.0       # TLS, RESP3 and async timeouts
readonly YYJSON_MIN=0.10.0
readonly ASYNCAPI_VERSION=3.6.0   # as in asyncapi/package.json
readonly RDKAFKA_SUITES='forky testing'
readonly STABLE_SUITES='trixie'
readonly JAVA_MIN=17

COMPILE_PACKAGES=(
	ca-certificates curl dpkg-dev gcc g++ make cmake ninja-build pkg-config python3 tzdata
	libjansson-dev libevent-dev libcmocka-dev libxxhash-dev uthash-dev
	zlib1g-dev liblz4-dev libzstd-dev libssl-dev
)
PACKAGES=(
	"${COMPILE_PACKAGES[@]}"
	clang-format groff-base python3-jsonschema python3-yaml procps util-linux
	redis-server redis-tools kcat
	python3-confluent-kafka # for PUBLISH.md's Python, which a test runs
	chromium chromium-driver fonts-wqy-microhei # the page is tested in a real browser
)

say() { printf 'setup: %-10s %s\n' "$1" "$2"; }

die() {
	printf 'setup: %-10s FAILED: %s\n' "$1" "$2" >&2
	exit 1
}

# logged PART COMMAND...: its output goes to log/PART.log; when it fails the log's tail is shown.
logged() {
	local part=$1 log=$CACHE/log/$1.log
	shift
	if ! "$@" >>"$log" 2>&1; then
		printf 'setup: %-10s this failed: %s\nsetup: %-10s end of %s:\n' \
			"$part" "$*" "$part" "$log" >&2
		tail -n 30 "$log" >&2
		return 1
	fi
}

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

can_root() { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }

stamped() { [ -e "$CACHE/stamps/$1" ]; }
stamp() { : >"$CACHE/stamps/$1"; }

# --- Debian packages ---------------------------------------------------------------------------

missing_packages() { # the arguments that are not installed, one a line
	local package
	for package in "$@"; do
		dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -q '^installed' ||
			echo "$package"
	done
}

java_major() {
	java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1
}

# A Debian package that brings a daemon starts it; ours are started by deploy/local on ports of
# their own, so for the time of the install the policy forbids starting, and is put back after.
readonly POLICY=/usr/sbin/policy-rc.d
POLICY_OURS=no

forbid_service_start() {
	[ ! -e "$POLICY" ] || return 0 # the machine has a policy of its own: not ours to change
	POLICY_OURS=yes
	printf '#!/bin/sh\nexit 101\n' | as_root tee "$POLICY" >/dev/null
	as_root chmod 755 "$POLICY"
}

restore_service_start() {
	[ "$POLICY_OURS" = yes ] || return 0
	POLICY_OURS=no
	as_root rm -f "$POLICY"
}

install_packages() { # PART PACKAGE...
	local part=$1 fresh_redis=no
	shift
	can_root || die "$part" "not root and no sudo without password; ask for: apt-get install $*"
	say "$part" "installing $*"
	[ -n "$(missing_packages redis-server)" ] && fresh_redis=yes
	logged "$part" as_root apt-get -q update || die "$part" "apt-get update"
	forbid_service_start
	logged "$part" as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -q -y --no-install-recommends install "$@" || die "$part" "apt-get install"
	restore_service_start
	# We brought it, so we also keep it from starting at the next boot.
	if [ $fresh_redis = yes ] && [ -z "$(missing_packages redis-server)" ] &&
		command -v systemctl >/dev/null; then
		as_root systemctl --now disable redis-server >>"$CACHE/log/$part.log" 2>&1 || true
	fi
}

part_packages() {
	local wanted=("${PACKAGES[@]}") missing
	command -v java >/dev/null || wanted+=(default-jre-headless)
	command -v mvn >/dev/null || stamped "kafka-$KAFKA_VERSION" || wanted+=(maven)
	command -v node >/dev/null || wanted+=(nodejs)
	command -v npm >/dev/null || stamped "asyncapi-$ASYNCAPI_VERSION" || wanted+=(npm)
	mapfile -t missing < <(missing_packages "${wanted[@]}")
	if [ ${#missing[@]} -gt 0 ]; then install_packages packages "${missing[@]}"; fi
	local java
	java=$(java_major)
	[ "${java:-0}" -ge $JAVA_MIN ] ||
		die packages \
			"java is version ${java:-unknown}, Kafka $KAFKA_VERSION needs $JAVA_MIN or later"
	say packages "ok (${#wanted[@]} Debian packages, java $java)"
}

part_compile() {
	local missing
	mapfile -t missing < <(missing_packages "${COMPILE_PACKAGES[@]}")
	if [ ${#missing[@]} -gt 0 ]; then install_packages compile "${missing[@]}"; fi
	say compile "ok (${#COMPILE_PACKAGES[@]} Debian packages)"
}

part_fuzz() {
	local runtime
	[ -z "$(missing_packages clang)" ] || install_packages fuzz clang
	runtime=libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev # libFuzzer and the sanitizers
	[ -z "$(missing_packages "$runtime")" ] || install_packages fuzz "$runtime"
	say fuzz "ok (clang $(clang -dumpversion))"
}

part_lint() {
	local missing
	mapfile -t missing < <(missing_packages shellcheck)
	if [ ${#missing[@]} -gt 0 ]; then install_packages lint "${missing[@]}"; fi
	say lint "ok"
}

# --- packages of another Debian suite, without touching the machine's apt -------------------------

# The Debian archives that this machine uses, as apt itself understands its sources (lists of both
# formats), one a line: URI and the keyring its entry names, or "-".
debian_archives() {
	# shellcheck disable=SC2016 # apt's placeholders
	apt-get indextargets --format '$(REPO_URI) $(SOURCESENTRY)' \
		'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | sort -u |
		while read -r uri entry; do
			printf '%s %s\n' "$uri" "$(keyring_of "${entry%:*}")"
		done | sort -u
}

keyring_of() { # SOURCES-FILE
	local key
	key=$(sed -n 's/.*[Ss]igned-[Bb]y[:=][[:space:]]*\(\/[^][:space:]]*\).*/\1/p' "$1" | head -n 1)
	if [ -z "$key" ] && [ -r /usr/share/keyrings/debian-archive-keyring.gpg ]; then
		key=/usr/share/keyrings/debian-archive-keyring.gpg
	fi
	echo "${key:--}"
}

# suite_apt TYPE-SUITE COMMAND...: apt with our own list and state, inside the cache, hence without
# the sandbox user (that one could not read it). Signatures are checked as usual.
suite_apt() {
	local dir=$CACHE/apt/$1 tool=$2
	shift 2
	"$tool" -q -o Dir::Etc::sourcelist="$dir/sources.list" -o Dir::Etc::sourceparts=- \
		-o Dir::Etc::preferencesparts=- -o Dir::Etc::preferences=- \
		-o Dir::State="$dir/state" -o Dir::State::status=/var/lib/dpkg/status \
		-o Dir::Cache="$dir/cache" -o APT::Sandbox::User=root \
		-o APT::Update::Post-Invoke= -o APT::Update::Post-Invoke-Success= \
		-o Acquire::Languages=none "$@"
}

# open_suite PART TYPE SUITE: fetches the suite's lists (TYPE deb or deb-src), once a run.
open_suite() {
	local part=$1 type=$2 suite=$3 dir=$CACHE/apt/$2-$3 archives uri key
	[ ! -e "$dir/opened" ] || return 0
	archives=$(debian_archives)
	if [ -z "$archives" ]; then # lists were removed: apt cannot say which archive is Debian's
		can_root || die "$part" "apt has no lists; ask for: apt-get update"
		logged "$part" as_root apt-get -q update || die "$part" "apt-get update"
		archives=$(debian_archives)
	fi
	while read -r uri key; do
		[ -n "$uri" ] || continue
		rm -rf "$dir"
		mkdir -p "$dir/state/lists/partial" "$dir/cache/archives/partial"
		if [ "$key" = - ]; then key=; else key="[signed-by=$key] "; fi
		printf '%s %s%s %s main\n' "$type" "$key" "$uri" "$suite" >"$dir/sources.list"
		if logged "$part" suite_apt "$type-$suite" \
			apt-get -o APT::Update::Error-Mode=any update; then
			: >"$dir/opened"
			return 0
		fi
	done <<<"$archives"
	return 1
}

# fetch_source PART SOURCE DIR SUITE...: unpacks the newest source package of the first suite that
# opens into DIR and prints its upstream version.
fetch_source() {
	local part=$1 source=$2 dir=$3 suite dsc
	shift 3
	rm -rf "$dir"
	mkdir -p "$dir"
	for suite in "$@"; do
		open_suite "$part" deb-src "$suite" || continue
		(cd "$dir" && logged "$part" suite_apt "deb-src-$suite" \
			apt-get source --download-only "$source") || continue
		dsc=$(find "$dir" -maxdepth 1 -name '*.dsc' | head -n 1)
		[ -n "$dsc" ] || continue
		# apt has checked the files against the signed index; the uploader's key is not here.
		logged "$part" dpkg-source --no-check --skip-patches -x "$dsc" "$dir/src" || return 1
		sed -n 's/^Version: *\([0-9]*:\)\{0,1\}\([^-+~]*\).*/\2/p' "$dsc" | head -n 1
		return 0
	done
	return 1
}

built_version() { # PART: the newest version that its stamps name, or nothing
	find "$CACHE/stamps" -name "$1-*" | sed "s/.*\/$1-//" | sort -V | tail -n 1
}

at_least() { dpkg --compare-versions "$1" ge "$2"; }

# --- the parts that are not plain Debian ----------------------------------------------------------

part_kafka() {
	local done=kafka-$KAFKA_VERSION
	if ! stamped "$done"; then
		say kafka "fetching the jars of Kafka $KAFKA_VERSION with Maven (about a minute)"
		rm -rf "$CACHE/kafka"
		mkdir -p "$CACHE/kafka"
		# A copy, because Maven may write beside its pom.
		cp "$HERE/kafka/pom.xml" "$CACHE/kafka/pom.xml"
		logged kafka mvn -q -B -f "$CACHE/kafka/pom.xml" dependency:copy-dependencies \
			-DoutputDirectory="$CACHE/kafka/lib" ||
			die kafka "Maven got no jars; its settings must name a reachable repository"
		[ -e "$CACHE/kafka/lib/kafka_2.13-$KAFKA_VERSION.jar" ] ||
			die kafka "the broker's jar is absent"
		stamp "$done"
	fi
	# Optional: without it the broker starts as well, only slower.
	logged kafka "$HERE/../local/broker.sh" archive || say kafka "no class archive, never mind"
	say kafka "ok ($KAFKA_VERSION, $(find "$CACHE/kafka/lib" -name '*.jar' | wc -l) jars)"
}

rdkafka_fit() { # VERSION
	local bad
	at_least "$1" "$RDKAFKA_MIN" || return 1
	for bad in $RDKAFKA_BAD; do
		[ "$1" != "$bad" ] || return 1
	done
}

# Its configure finds this out, its cmake does not. Without it rd_atomic32_set() is a plain store
# that returns the new value for the old one, and rd_kafka_rebootstrap() does nothing: brokers that
# all have got other addresses are never found again.
readonly RDKAFKA_FLAGS='-DHAVE_ATOMICS_32_ATOMIC=1 -DHAVE_ATOMICS_64_ATOMIC=1'

# fetch_rdkafka PART DIR: unpacks the sources into DIR/src and prints their version.
fetch_rdkafka() {
	local version
	# shellcheck disable=SC2086 # a list of words
	version=$(fetch_source "$1" librdkafka "$2" $RDKAFKA_SUITES) ||
		die "$1" "no source package in $RDKAFKA_SUITES by way of this machine's apt sources"
	rdkafka_fit "$version" ||
		die "$1" "the archive has $version; needed is $RDKAFKA_MIN or later, not $RDKAFKA_BAD"
	# 2.14.2 asks for curl's header even when curl is off (#ifdef of a macro that is 0).
	sed -i 's/^#ifdef WITH_OAUTHBEARER_OIDC/#if WITH_OAUTHBEARER_OIDC/' "$2/src/src/rdkafka_conf.c"
	echo "$version"
}

# build_rdkafka PART DIR PREFIX OPTION...: from DIR/src, which is removed.
build_rdkafka() {
	local part=$1 dir=$2 prefix=$3
	shift 3
	# Cyrus SASL off: it would only add Kerberos. SCRAM needs OpenSSL alone, PLAIN nothing.
	logged "$part" cmake -S "$dir/src" -B "$dir/build" -G Ninja \
		-DCMAKE_INSTALL_PREFIX="$prefix" -DCMAKE_INSTALL_LIBDIR=lib \
		-DCMAKE_POSITION_INDEPENDENT_CODE=ON -DRDKAFKA_BUILD_STATIC=ON \
		-DRDKAFKA_BUILD_EXAMPLES=OFF -DRDKAFKA_BUILD_TESTS=OFF -DWITH_CURL=OFF -DWITH_SSL=ON \
		-DWITH_SASL=OFF -DWITH_SASL_SCRAM=ON -DWITH_SASL_OAUTHBEARER=ON \
		-DWITH_ZLIB=ON -DWITH_ZSTD=ON -DENABLE_LZ4_EXT=ON "$@" || die "$part" "cmake"
	logged "$part" cmake --build "$dir/build" --target install || die "$part" "the build"
	rm -rf "$dir"
}

part_rdkafka() {
	local have version dir=$CACHE/build/librdkafka
	have=$(built_version librdkafka)
	if [ -n "$have" ] && rdkafka_fit "$have"; then
		say rdkafka "ok ($have, static)"
		return 0
	fi
	have=$(pkg-config --modversion rdkafka 2>/dev/null || true)
	if [ -n "$have" ] && rdkafka_fit "$have"; then
		say rdkafka "ok ($have, the system's)"
		return 0
	fi
	say rdkafka "building from Debian's source package (about a minute)"
	version=$(fetch_rdkafka rdkafka "$dir") || exit 1
	build_rdkafka rdkafka "$dir" "$PREFIX" -DCMAKE_BUILD_TYPE=RelWithDebInfo \
		-DCMAKE_C_FLAGS="$RDKAFKA_FLAGS"
	stamp "librdkafka-$version"
	say rdkafka "ok ($version, static, built)"
}

fetch_hiredis() { # as fetch_rdkafka
	local version
	# shellcheck disable=SC2086 # a list of words
	version=$(fetch_source "$1" hiredis "$2" $STABLE_SUITES) ||
		die "$1" "no source package in $STABLE_SUITES by way of this machine's apt sources"
	at_least "$version" "$HIREDIS_MIN" ||
		die "$1" "the archive has $version, needed is $HIREDIS_MIN"
	echo "$version"
}

build_hiredis() { # as build_rdkafka; options are variables of make
	local part=$1 dir=$2 prefix=$3
	shift 3
	logged "$part" make -C "$dir/src" -j"$(nproc)" USE_SSL=1 PREFIX="$prefix" "$@" install ||
		die "$part" "the build"
	# Static only: the binaries of the build tree then need no library path.
	rm -f "$prefix"/lib/libhiredis*.so*
	rm -rf "$dir"
}

part_hiredis() {
	local have version dir=$CACHE/build/hiredis
	have=$(built_version hiredis)
	if [ -n "$have" ]; then
		say hiredis "ok ($have, static)"
		return 0
	fi
	if pkg-config --exists "hiredis >= $HIREDIS_MIN" "hiredis_ssl >= $HIREDIS_MIN" 2>/dev/null; then
		say hiredis "ok ($(pkg-config --modversion hiredis), the system's)"
		return 0
	fi
	say hiredis "building from Debian's source package (a few seconds)"
	version=$(fetch_hiredis hiredis "$dir") || exit 1
	build_hiredis hiredis "$dir" "$PREFIX" OPTIMIZATION=-O2 DEBUG_FLAGS=-g
	stamp "hiredis-$version"
	say hiredis "ok ($version, static, built)"
}

# The clients of Kafka and Redis once more, for preset tsan. The thread sanitizer must see what they
# do to memory, and it sees only threads that pthread_create() makes: glibc's C11 threads, which
# librdkafka takes where it finds them, crash it. So its build is made not to look for them.
part_tsan() {
	local dir=$CACHE/build/tsan have version
	local flags='-fsanitize=thread -g -O1 -fno-omit-frame-pointer'
	have=$(built_version tsan-rdkafka)
	if [ -z "$have" ] || ! rdkafka_fit "$have"; then
		say tsan "building librdkafka for the thread sanitizer (about a minute)"
		version=$(fetch_rdkafka tsan "$dir/rdkafka") || exit 1
		sed -i 's/^    WITH_C11THREADS$/    C11THREADS_NOT_WANTED/' \
			"$dir/rdkafka/src/packaging/cmake/try_compile/rdkafka_setup.cmake"
		build_rdkafka tsan "$dir/rdkafka" "$TSAN_PREFIX" -DCMAKE_BUILD_TYPE=None \
			-DCMAKE_C_FLAGS="$flags $RDKAFKA_FLAGS" -DCMAKE_CXX_FLAGS="$flags"
		[ "$(nm "$TSAN_PREFIX/lib/librdkafka.a" 2>/dev/null | grep -c ' T thrd_create$')" = 1 ] ||
			die tsan "librdkafka has taken C11 threads"
		stamp "tsan-rdkafka-$version"
		have=$version
	fi
	if [ -z "$(built_version tsan-hiredis)" ]; then
		version=$(fetch_hiredis tsan "$dir/hiredis") || exit 1
		build_hiredis tsan "$dir/hiredis" "$TSAN_PREFIX" OPTIMIZATION=-O1 DEBUG_FLAGS="$flags"
		stamp "tsan-hiredis-$version"
	fi
	say tsan "ok (librdkafka $have, hiredis $(built_version tsan-hiredis), thread sanitizer)"
}

part_yyjson() {
	local have version dir=$CACHE/build/yyjson
	have=$(built_version yyjson)
	if [ -n "$have" ]; then
		say yyjson "ok ($have, private)"
		return 0
	fi
	if ! pkg-config --exists "yyjson >= $YYJSON_MIN" 2>/dev/null &&
		apt-cache policy libyyjson-dev | grep -q 'Candidate: [0-9]'; then
		install_packages yyjson libyyjson-dev
	fi
	if pkg-config --exists "yyjson >= $YYJSON_MIN" 2>/dev/null; then
		say yyjson "ok ($(pkg-config --modversion yyjson), the system's)"
		return 0
	fi
	say yyjson "unpacking Debian 13's package"
	version=$(fetch_yyjson "$dir") ||
		die yyjson "no libyyjson-dev in $STABLE_SUITES by way of this machine's apt sources"
	at_least "$version" "$YYJSON_MIN" ||
		die yyjson "the archive has $version, needed is $YYJSON_MIN"
	cp "$dir/root/usr/include/yyjson.h" "$PREFIX/include/"
	find "$dir/root/usr/lib" -name 'libyyjson.so*' -exec cp -d {} "$PREFIX/lib/" \;
	mkdir -p "$PREFIX/lib/pkgconfig"
	# shellcheck disable=SC2016 # pkg-config's placeholders
	find "$dir/root/usr/lib" -name yyjson.pc -exec sed -e "s|^prefix=.*|prefix=$PREFIX|" \
		-e 's|^libdir=.*|libdir=${prefix}/lib|' -e 's|/usr|${prefix}|' {} \; \
		>"$PREFIX/lib/pkgconfig/yyjson.pc"
	rm -rf "$dir"
	stamp "yyjson-$version"
	say yyjson "ok ($version, private)"
}

# fetch_yyjson DIR: unpacks the binary packages into DIR/root and prints their version. They need
# nothing but libc 2.14; it is the shared library, which the build tree finds by its run path.
fetch_yyjson() {
	local dir=$1 deb suite
	rm -rf "$dir"
	mkdir -p "$dir"
	for suite in $STABLE_SUITES; do
		open_suite yyjson deb "$suite" || continue
		(cd "$dir" && logged yyjson suite_apt "deb-$suite" apt-get download \
			libyyjson-dev libyyjson0) || continue
		for deb in "$dir"/*.deb; do
			logged yyjson dpkg-deb -x "$deb" "$dir/root" || return 1
		done
		dpkg-deb -f "$deb" Version | sed 's/^[0-9]*://; s/[-+~].*//'
		return 0
	done
	return 1
}

download_prometheus() { # DIR
	(cd "$1" && logged prometheus apt-get -q -o APT::Sandbox::User=root download prometheus)
}

# Only its two programs are wanted, for tests: unpacked from the package of the machine's own suite,
# so that no daemon, no user and no web page's libraries come with them.
part_prometheus() {
	local dir=$CACHE/build/prometheus have deb
	have=$(built_version prometheus)
	if [ -n "$have" ]; then
		say prometheus "ok ($have, private)"
		return 0
	fi
	say prometheus "unpacking Debian's package"
	rm -rf "$dir"
	mkdir -p "$dir"
	# A second try with fresh lists: those of the machine may be absent or out of date.
	download_prometheus "$dir" || { can_root && logged prometheus as_root apt-get -q update &&
		download_prometheus "$dir"; } || die prometheus "apt-get download prometheus"
	deb=$(find "$dir" -name '*.deb')
	logged prometheus dpkg-deb -x "$deb" "$dir/root" || die prometheus "dpkg-deb"
	have=$(dpkg-deb -f "$deb" Version | sed 's/^[0-9]*://; s/[-+~].*//')
	mkdir -p "$CACHE/prometheus"
	find "$dir/root" -type f '(' -name prometheus -o -name promtool ')' -perm -u+x \
		-exec cp -t "$CACHE/prometheus" '{}' +
	rm -rf "$dir"
	stamp "prometheus-$have"
	say prometheus "ok ($have, private)"
}

# For one test, which says so where it cannot run: a machine whose npm has no registry is no reason
# to do without the rest.
part_asyncapi() {
	local done=asyncapi-$ASYNCAPI_VERSION dir=$CACHE/asyncapi
	if ! stamped "$done"; then
		command -v npm >/dev/null || die asyncapi "there is no npm; part packages brings it"
		say asyncapi "fetching the parser $ASYNCAPI_VERSION with npm (some 20 seconds)"
		rm -rf "$dir"
		mkdir -p "$dir"
		cp "$HERE"/asyncapi/package*.json "$dir/"
		if ! logged asyncapi timeout 300 npm ci --prefix "$dir" --ignore-scripts --no-audit \
			--no-fund --fetch-retries=3; then
			rm -rf "$dir"
			say asyncapi "passed over: npm could not get it"
			return 0
		fi
		stamp "$done"
	fi
	say asyncapi "ok ($ASYNCAPI_VERSION)"
}

finish() {
	restore_service_start
	rm -rf "$CACHE/apt"
}

main() {
	local parts=("$@") part started=$SECONDS
	[ ${#parts[@]} -gt 0 ] || parts=(packages kafka rdkafka hiredis yyjson prometheus asyncapi)
	[ -r /etc/debian_version ] || die machine "this is not Debian; see the parts in $0"
	mkdir -p "$CACHE/stamps" "$CACHE/log" "$CACHE/build" "$PREFIX"
	exec 9>"$CACHE/lock" # one setup at a time for one cache
	flock -n 9 || { say wait "another setup is running on $CACHE" && flock 9; }
	trap finish EXIT
	trap 'exit 130' INT TERM
	for part in "${parts[@]}"; do
		case $part in
		packages | compile | kafka | rdkafka | hiredis | yyjson | prometheus | asyncapi | \
			fuzz | lint | tsan)
			: >"$CACHE/log/$part.log"
			"part_$part"
			;;
		*) die "$part" "no such part; see the head of $0" ;;
		esac
	done
	say "done" "$((SECONDS - started)) s, everything is in $CACHE"
}

main "$@"
