/* Spare objects, which are kept for reuse: see Spares. */

#ifndef LOOPWATCH_SPARES_H
#define LOOPWATCH_SPARES_H

#include "native.h"

/* Objects of one type that are kept for reuse, since an allocation costs more than all the rest.

   The collector keeps tracking them, with all fields NULL and one reference, which is ours. So an
   object that is taken is ready, and one that is given back need not be untracked. But
   `gc.get_objects()` returns them as well. So each slot of their types accepts such an empty
   object, and other code may still have a reference when an object is taken or given back. */
#ifndef SPARES /* set it lower to find objects that are used after their end */
#define SPARES 64
#endif
typedef struct {
    int count; /* first: the cache line that has it has the first objects as well */
    PyTypeObject *type;
    PyObject *kept[SPARES];
} Spares;

extern Spares spare_exchanges, spare_requests, spare_responses, spare_scheduled;

PyObject *new_tracked(PyTypeObject *type);

/* Returns an object, all of whose fields are NULL or 0. */
static inline PyObject *
take_spare(Spares *spares)
{
    return spares->count > 0 ? spares->kept[--spares->count] : new_tracked(spares->type);
}

/* Begins to end an object; the collector may see it while its fields are cleared. */
static inline void
begin_to_end(PyObject *object)
{
    Py_SET_REFCNT(object, 1);
}

void free_spare(PyObject *object);
void free_spares(void); /* of all types */

/* Takes an object back, all of whose fields are NULL or 0 again. */
static inline void
keep_spare(Spares *spares, PyObject *object)
{
    if (spares->count < SPARES) {
        spares->kept[spares->count++] = object;
    }
    else {
        free_spare(object);
    }
}

#endif
