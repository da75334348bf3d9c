#include "http/mailbox.h"

struct px_task *px_mailbox_take(struct px_mailbox *mailbox)
{
    struct px_task *newest = atomic_exchange(&mailbox->newest, NULL);
    struct px_task *oldest = NULL;
    while (newest != NULL) {
        struct px_task *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}
