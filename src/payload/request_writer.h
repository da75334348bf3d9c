/*
 * request_writer: public option structs, and the engine's own decisions, to request payloads.
 *
 * Each function appends one whole payload. What can be checked without knowing the collection is
 * checked here, so that a mistake is reported where it is made; the engine checks everything again.
 * All return PROXIMADB_OK, PROXIMADB_INVALID or PROXIMADB_NO_MEMORY; after a failure the buffer is
 * not to be used.
 *
 * Threads: any thread; nothing here has state.
 */
#ifndef PX_PAYLOAD_REQUEST_WRITER_H
#define PX_PAYLOAD_REQUEST_WRITER_H

#include "base/buffer.h"

/* Option structs are borrowed; they must be of the current size (api/struct_copy.h). */
PX_MUST_CHECK int px_request_write_search(struct px_buffer *buffer,
                                          const struct proximadb_search_options *options,
                                          struct proximadb_error *reterr);
PX_MUST_CHECK int px_request_write_scan(struct px_buffer *buffer,
                                        const struct proximadb_scan_options *options,
                                        struct proximadb_error *reterr);
PX_MUST_CHECK int px_request_write_get(struct px_buffer *buffer, const struct proximadb_text *ids,
                                       size_t id_count, bool include_vectors,
                                       struct proximadb_error *reterr);
/* By filter where id_count is 0. */
PX_MUST_CHECK int px_request_write_delete(struct px_buffer *buffer, const uint8_t request_id[16],
                                          const struct proximadb_text *ids, size_t id_count,
                                          const struct proximadb_filter *filter,
                                          struct proximadb_error *reterr);
/* filter NULL: every row. */
PX_MUST_CHECK int px_request_write_count(struct px_buffer *buffer,
                                         const struct proximadb_filter *filter,
                                         struct proximadb_error *reterr);
PX_MUST_CHECK int px_request_write_compact(struct px_buffer *buffer, uint32_t cluster_count,
                                           struct proximadb_error *reterr);
PX_MUST_CHECK int px_request_write_collection(struct px_buffer *buffer,
                                              const struct proximadb_collection_spec *spec,
                                              struct proximadb_error *reterr);
PX_MUST_CHECK int px_request_write_change(struct px_buffer *buffer,
                                          const struct proximadb_filterable *filterable,
                                          size_t filterable_count, struct proximadb_error *reterr);
/* index_memory -1: the present one. */
PX_MUST_CHECK int px_request_write_rebuild_index(struct px_buffer *buffer, int index_memory,
                                                 struct proximadb_error *reterr);

/*
 * Appends the datum (no header) of a DeleteBatch that names rows one by one: what the log keeps of
 * a delete by filter, and of an expiry. The ids are those of rows and not checked. Failures mark
 * the buffer.
 */
void px_request_write_delete_datum(struct px_buffer *buffer, const uint8_t request_id[16],
                                   const struct px_slice *ids, size_t id_count);

#endif /* PX_PAYLOAD_REQUEST_WRITER_H */
