/* clustering_internal: what the files of viper/clustering.h share. */
#ifndef PX_VIPER_CLUSTERING_INTERNAL_H
#define PX_VIPER_CLUSTERING_INTERNAL_H

#include "viper/clustering.h"

enum { PX_CLUSTERING_BLOCK_ROWS = 64 }; /* compared with centroids at once */

/*
 * The scores of at most PX_CLUSTERING_BLOCK_ROWS rows and all centroids: the product less the
 * centroid's bias, the larger the nearer. That of row r and centroid c goes to
 * ret_scores[r * centroid count + c].
 */
void px_clustering__score(const struct px_kmeans *kmeans, const struct px_rows *rows,
                          float *ret_scores);

/* Takes kmeans over, also on failure, with lists that have neither rows nor ids yet.
 * PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_clustering__init(struct px_clustering *clustering, struct px_kmeans *kmeans,
                                      struct proximadb_error *reterr);

#endif /* PX_VIPER_CLUSTERING_INTERNAL_H */
