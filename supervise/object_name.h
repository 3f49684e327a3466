/* What an object is called in the ledger, from its path. */
#pragma once

#include "base/object.h"

#include <stdbool.h>
#include <stddef.h>

/* The name of an object in the ledger: its file name without .log, .log.gz, .log.zst where that is
 * ACCOUNT_vpcflowlogs_REGION_FLOWLOGID_YYYYMMDDTHHMMZ_HASH (12 digits; lower-case letters, digits
 * and '-'; fl- with lower-case letters and digits; a time; letters and digits), else its real path,
 * or AWS's name if the real path ends in one (a link to an object is that object). False, with
 * errno, if there is no real path. */
bool fls_object_name(const char *path, char name[static FLS_PATH_MAX]);

/* True if a file of this name, found in a folder, is an object. */
bool fls_object_has_suffix(const char *file);
/* The file name at the end of the path. */
const char *fls_object_file(const char *path);
/* Bytes of that file name that are AWS's name of the object (it stands before .log, .log.gz or
 * .log.zst); 0 if the file name has another form. */
size_t fls_object_aws_name_sz(const char *file);
