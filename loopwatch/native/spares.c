/* Spare objects: how they are made and freed; see spares.h. */

#include "native.h"

PyObject *
new_tracked(PyTypeObject *type)
{
    PyObject *self = (PyObject *)_PyObject_GC_New(type);
    if (self != NULL) {
        memset((char *)self + sizeof(PyObject), 0, type->tp_basicsize - sizeof(PyObject));
        PyObject_GC_Track(self);
    }
    return self;
}

/* Frees an empty object that has one reference; otherwise drops one, and the last one ends it. */
void
free_spare(PyObject *object)
{
    if (Py_REFCNT(object) > 1) {
        Py_DECREF(object);
        return;
    }
    PyObject_GC_UnTrack(object);
    PyObject_GC_Del(object);
}

/* Frees all spares. */
void
free_spares(void)
{
    Spares *all[] = {&spare_exchanges, &spare_requests, &spare_responses, &spare_scheduled};
    for (size_t n = 0; n < sizeof(all) / sizeof(*all); n++) {
        while (all[n]->count > 0) {
            free_spare(all[n]->kept[--all[n]->count]);
        }
    }
}
