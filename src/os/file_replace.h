/*
 * file_replace: gives a small file new content so that, whatever the moment of a crash, a reader
 * finds all of the old bytes or all of the new ones.
 *
 * It serves the files that decide what others mean: a collection's JSON and its manifest. Log files
 * and Parquet parts are written once and do not pass here.
 *
 *      STEP                          WHAT A READER FINDS AFTER A CRASH JUST BEHIND IT
 *      1  open PATH.tmp              old
 *      2  write every byte           old
 *      3  sync PATH.tmp              old
 *      4  rename PATH.tmp to PATH    old or new: the name may not be on the device yet
 *      5  sync the folder            new
 *
 * Step 3 is needed beside step 5: otherwise the name may reach the device before the bytes do, and
 * the reader finds a file of the right name with nothing in it.
 *
 * Threads: calls for different paths may run at once; calls for one path must not.
 */
#ifndef PX_OS_FILE_REPLACE_H
#define PX_OS_FILE_REPLACE_H

#include "base/error.h"
#include "base/slice.h"

struct px_fs;

/*
 * Makes `content` all that is in the file at `path`. Everything is borrowed.
 *
 * PROXIMADB_OK       the new content outlives a power cut.
 * PROXIMADB_INVALID  the path is too long; nothing was touched.
 * PROXIMADB_RESOURCE_EXHAUSTED
 *                    the disk is full; the old content stands, and no PATH.tmp is left.
 * PROXIMADB_IO       up to step 4, likewise. When step 5 failed the new content is there but a
 *                    power cut may still bring the old one back; *ret_unsure (may be NULL) is then
 *                    true, and otherwise false.
 */
PX_MUST_CHECK int px_file_replace(struct px_fs *fs, const char *path, struct px_slice content,
                                  bool *ret_unsure, struct proximadb_error *reterr);

#endif /* PX_OS_FILE_REPLACE_H */
