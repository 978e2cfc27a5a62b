/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The version that --version, build_info and client.software.version name. The
 * build may give it (-DTALLY_VERSION="...").
 */
#ifndef TALLY_HOST_VERSION_H
#define TALLY_HOST_VERSION_H

#ifndef TALLY_VERSION
#define TALLY_VERSION "0.1.0"
#endif

#endif
