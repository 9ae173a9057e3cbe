/* Spare objects, which are kept for the next ones: see Spares. */

#ifndef LOOPWATCH_SPARES_H
#define LOOPWATCH_SPARES_H

#include "native.h"

/* Objects of one type that are kept for the next ones, for an allocation costs more than the rest.

   They stay known to the collector, with all fields NULL and one reference, which is ours: so an object
   that is taken is ready, and one that is given back is not taken from its lists. `gc.get_objects()`
   shows them to anybody: each slot of their types bears such an object, and whoever got hold of one
   may have it still as it is taken, or when its time is over. */
#ifndef SPARES /* fewer for whoever looks for objects that are used after their end */
#define SPARES 64
#endif
typedef struct {
    PyObject *kept[SPARES];
    int count;
    PyTypeObject *type;
} Spares;

extern Spares spare_exchanges, spare_requests, spare_responses, spare_scheduled;

PyObject *new_tracked(PyTypeObject *type);

/* Returns an object, all of whose fields are NULL or 0. */
static inline PyObject *
take_spare(Spares *spares)
{
    return spares->count > 0 ? spares->kept[--spares->count] : new_tracked(spares->type);
}

/* Begins to end an object: as its fields are cleared the collector may look at it. */
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
