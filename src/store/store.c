/* SPDX-License-Identifier: Apache-2.0 */
/* What all adapters of the store share. */
#include "store/store.h"

struct store *store_close(struct store *store)
{
        if (store != NULL)
                store->ops->close(store);
        return NULL;
}
