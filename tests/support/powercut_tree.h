/*
 * powercut_tree: the files and folders of a powercut_fs, and which of their names are durable.
 *
 * Every change of names is a move of one node: from nowhere when it is made, to nowhere when it is
 * removed, and from name to name when it is renamed; a second name comes from nowhere, too. A move takes effect at once for programs. It is
 * durable when the folders that it touches, two at most, have been synced; until then a power cut
 * keeps it or drops it, but always whole, so a renamed file has its old name or its new one.
 *
 * Moves of different names and nodes are kept or dropped freely, in any order. Two moves of the same
 * node or of the same name keep their order: the later one survives only together with the earlier.
 *
 * Threads: externally serialised.
 */
#ifndef PX_TEST_POWERCUT_TREE_H
#define PX_TEST_POWERCUT_TREE_H

#include "os/fs.h"
#include "support/powercut_file.h"

enum { PX_POWERCUT_ROOT = 0, PX_POWERCUT_NOWHERE = -1 };

struct px_powercut_entry {
    char *name; /* owned */
    int node;
};

struct px_powercut_entries {
    struct px_powercut_entry *items; /* owned */
    size_t count;
    size_t capacity;
};

struct px_powercut_node {
    enum px_fs_kind kind;
    struct px_powercut_file file;       /* of a file */
    struct px_powercut_entries cached;  /* of a folder: what programs see */
    struct px_powercut_entries durable; /*   and what is on the device for certain */
    size_t open_count;                  /* descriptors */
    int locked_by;                      /* descriptor, or -1 */
};

/* A place in the tree: `name`, one component, in the folder. */
struct px_powercut_place {
    int folder; /* node, or PX_POWERCUT_NOWHERE */
    char name[256];
};

struct px_powercut_move;

struct px_powercut_tree {
    struct px_powercut_node **nodes; /* owned; by number, NULL where one is gone; 0 is the root */
    int node_count;
    struct px_powercut_move *moves; /* owned; oldest first: those that are not durable */
};

void px_powercut_tree_init(struct px_powercut_tree *tree);
void px_powercut_tree_release(struct px_powercut_tree *tree);
void px_powercut_tree_copy(struct px_powercut_tree *ret_tree, const struct px_powercut_tree *tree);

/* The node at a path as programs see it. Relative paths start at the root. -1 with errno ENOENT,
 * ENOTDIR, ENAMETOOLONG, or EINVAL for "..". */
int px_powercut_tree_find(const struct px_powercut_tree *tree, const char *path);

/* The place that a path names, whose folder exists. 0, or -1 with errno as above, and EEXIST for the
 * root and for "." at the end. */
int px_powercut_tree_place(const struct px_powercut_tree *tree, const char *path,
                           struct px_powercut_place *ret_place);

/* The node at a place, or PX_POWERCUT_NOWHERE. */
int px_powercut_tree_at(const struct px_powercut_tree *tree, const struct px_powercut_place *place);

/* Each makes one move; none of them looks at whether it makes sense. */
int px_powercut_tree_make(struct px_powercut_tree *tree, uint64_t sequence, enum px_fs_kind kind,
                          const struct px_powercut_place *place);
/* Gives a node one more name. */
void px_powercut_tree_link(struct px_powercut_tree *tree, uint64_t sequence, int node,
                           const struct px_powercut_place *place);
void px_powercut_tree_remove(struct px_powercut_tree *tree, uint64_t sequence,
                             const struct px_powercut_place *place);
void px_powercut_tree_rename(struct px_powercut_tree *tree, uint64_t sequence,
                             const struct px_powercut_place *from,
                             const struct px_powercut_place *to);

/* Whether `node` is `folder` or, as programs see it, somewhere below it. */
bool px_powercut_tree_is_below(const struct px_powercut_tree *tree, int folder, int node);

/* Makes the names in a folder durable. */
void px_powercut_tree_sync(struct px_powercut_tree *tree, int folder);

/* The power cut: what survives of names and contents is all there is, and all of it is durable.
 * fate->first_lost is chosen here. */
void px_powercut_tree_cut(struct px_powercut_tree *tree, struct px_powercut_fate *fate);

#endif /* PX_TEST_POWERCUT_TREE_H */
