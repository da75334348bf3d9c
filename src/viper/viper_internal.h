/* viper_internal: what the files of the store share. */
#ifndef PX_VIPER_VIPER_INTERNAL_H
#define PX_VIPER_VIPER_INTERNAL_H

#include "viper/viper.h"

/* Makes the store's numbers those of its present manifest. Under commit_lock, or while opening. */
void px_viper__count(struct px_viper *viper);

#endif /* PX_VIPER_VIPER_INTERNAL_H */
