/* What a dotted name means in a frame of another thread: only an address, and the kind of thing.

   The watchdog asks which lock or future a thread waits for. No reference leaves this file, and the
   GIL stays with us from the first one to the last, so nothing is kept alive, and nothing of the
   app's is finalised on the watchdog's thread. No code of the app's runs: an attribute is read only
   where that is a look into the instance, and nothing is computed. A frame must still stand where it
   was seen. */

#include "native.h"

#include <string.h>

#if PY_VERSION_HEX < 0x030C0000
#ifndef Py_BUILD_CORE
#define Py_BUILD_CORE
#endif
#include "internal/pycore_code.h"
#include "internal/pycore_frame.h" /* before 3.12 a frame's variables are read nowhere else */
#endif

#define TEXT 96 /* characters of a description */

/* Returns a variable of a frame, without the frame keeping anything for it; NULL: it has none. */
static PyObject *
local(PyFrameObject *frame, PyObject *name)
{
#if PY_VERSION_HEX >= 0x030C0000
    PyObject *found = PyFrame_GetVar(frame, name);
    if (found == NULL) {
        PyErr_Clear();
    }
    return found;
#else
    _PyInterpreterFrame *inner = frame->f_frame;
    PyCodeObject *code = inner->f_code;
    for (int n = 0; n < code->co_nlocalsplus; n++) {
        if (PyUnicode_Compare(PyTuple_GET_ITEM(code->co_localsplusnames, n), name) != 0) {
            continue;
        }
        PyObject *value = inner->localsplus[n];
        int kind = PyBytes_AS_STRING(code->co_localspluskinds)[n];
        if (value != NULL && (kind & (CO_FAST_CELL | CO_FAST_FREE)) && PyCell_Check(value)) {
            value = PyCell_GET(value);
        }
        return Py_XNewRef(value);
    }
    return NULL;
#endif
}

static PyObject *
variable(PyFrameObject *frame, PyObject *name)
{
    PyObject *found = local(frame, name);
    if (found == NULL) {
        PyObject *names = PyFrame_GetGlobals(frame);
        found = PyDict_CheckExact(names) ? Py_XNewRef(PyDict_GetItemWithError(names, name)) : NULL;
        Py_DECREF(names);
    }
    return found;
}

/* Returns an attribute that is only looked up; NULL for all others. */
static PyObject *
attribute(PyObject *thing, PyObject *name)
{
    PyTypeObject *type = Py_TYPE(thing);
    if (PyModule_CheckExact(thing)) {
        return Py_XNewRef(PyDict_GetItemWithError(PyModule_GetDict(thing), name));
    }
    if (PyCell_Check(thing)) {
        return Py_XNewRef(PyCell_GET(thing));
    }
    if (PyFunction_Check(thing)) { /* it has one way in: to its closure */
        return Py_XNewRef(PyFunction_GET_CLOSURE(thing));
    }
    if (PyCoro_CheckExact(thing)) { /* cr_frame */
        return PyObject_GetAttr(thing, name);
    }
    if (type->tp_getattro != PyObject_GenericGetAttr) {
        return NULL;
    }
    PyObject *found = _PyType_Lookup(type, name); /* borrowed */
    if (found != NULL && Py_TYPE(found)->tp_descr_get != NULL &&
        !Py_IS_TYPE(found, &PyMemberDescr_Type)) {
        return NULL;
    }
    return PyObject_GenericGetAttr(thing, name);
}

static PyObject *
element(PyObject *thing, PyObject *index)
{
    Py_ssize_t at = PyLong_AsSsize_t(index);
    if (at == -1 && PyErr_Occurred()) {
        return NULL;
    }
    int is_known = PyTuple_CheckExact(thing) || PyList_CheckExact(thing) ||
                   strcmp(Py_TYPE(thing)->tp_name, "collections.deque") == 0;
    return is_known ? PySequence_GetItem(thing, at) : NULL;
}

/* Returns what a path leads to, from a frame's variable or a thing's attribute on; NULL: nowhere. */
static PyObject *
followed(PyObject *from, PyObject *path)
{
    PyObject *thing = Py_NewRef(from);
    for (Py_ssize_t n = 0; thing != NULL && n < PyTuple_GET_SIZE(path); n++) {
        PyObject *step = PyTuple_GET_ITEM(path, n), *next;
        if (PyLong_CheckExact(step)) {
            next = element(thing, step);
        }
        else if (PyFrame_Check(thing)) {
            next = variable((PyFrameObject *)thing, step);
        }
        else {
            next = attribute(thing, step);
        }
        Py_SETREF(thing, next);
    }
    PyErr_Clear();
    return thing;
}

/* Returns (address, name of the type, text); the text is of locks, whole numbers and short names. */
static PyObject *
described(PyObject *thing)
{
    const char *kind = Py_TYPE(thing)->tp_name;
    PyObject *text = NULL;
    if (strcmp(kind, "_thread.RLock") == 0 || PyLong_CheckExact(thing)) {
        text = PyObject_Repr(thing);
    }
    else if (PyUnicode_CheckExact(thing) && PyUnicode_GET_LENGTH(thing) < TEXT) {
        text = PyUnicode_FromObject(thing);
    }
    PyErr_Clear();
    return Py_BuildValue("NsN", PyLong_FromVoidPtr(thing), kind,
                         text != NULL ? text : PyUnicode_FromString(""));
}

/* Returns a frame of a thread, counted from the innermost one; NULL: it has none. */
static PyFrameObject *
frame_of(unsigned long id, Py_ssize_t depth)
{
    PyThreadState *state = thread_of(id);
    PyFrameObject *frame = state != NULL ? PyThreadState_GetFrame(state) : NULL;
    for (; frame != NULL && depth > 0; depth--) {
        Py_SETREF(frame, PyFrame_GetBack(frame));
    }
    return frame;
}

/* Returns (code, instruction, line, module) of a frame. */
static PyObject *
spot(PyFrameObject *frame)
{
    PyObject *names = PyFrame_GetGlobals(frame);
    PyObject *name = PyDict_CheckExact(names) ? PyDict_GetItemString(names, "__name__") : NULL;
    PyObject *module = name != NULL && PyUnicode_CheckExact(name) ? Py_NewRef(name)
                                                                  : PyUnicode_FromString("?");
    Py_DECREF(names);
    return Py_BuildValue("NiiN", PyFrame_GetCode(frame), PyFrame_GetLasti(frame),
                         PyFrame_GetLineNumber(frame), module);
}

/* Returns where a thread stands, as `most` tuples at most, innermost first. */
PyObject *
spots_of(PyThreadState *thread, Py_ssize_t most)
{
    PyObject *spots = PyList_New(0);
    PyFrameObject *frame = spots != NULL && thread != NULL ? PyThreadState_GetFrame(thread) : NULL;
    while (frame != NULL && PyList_GET_SIZE(spots) < most) {
        PyObject *found = spot(frame);
        if (found == NULL || PyList_Append(spots, found) < 0) {
            Py_XDECREF(found);
            Py_CLEAR(spots);
            break;
        }
        Py_DECREF(found);
        Py_SETREF(frame, PyFrame_GetBack(frame));
    }
    Py_XDECREF(frame);
    return spots;
}

/* stand(thread, most): `spots_of` a thread by its id */
PyObject *
stand(PyObject *module, PyObject *args)
{
    (void)module;
    unsigned long id;
    Py_ssize_t most;
    return PyArg_ParseTuple(args, "kn:stand", &id, &most) ? spots_of(thread_of(id), most) : NULL;
}

static int
stands(PyFrameObject *frame, PyObject *code, int instruction)
{
    PyCodeObject *its = PyFrame_GetCode(frame);
    int same = (PyObject *)its == code && PyFrame_GetLasti(frame) == instruction;
    Py_DECREF(its);
    return same;
}

static PyObject *
told(PyObject *from, PyObject *path)
{
    PyObject *found = from != NULL ? followed(from, path) : NULL;
    PyObject *text = found != NULL ? described(found) : Py_NewRef(Py_None);
    Py_XDECREF(found);
    return text;
}

/* look_up(thread, depth, code, instruction, path) -> (address, type, text), or None: it has moved,
   or the path leads nowhere. A path is of names, and of indices of tuples, lists and deques. */
PyObject *
look_up(PyObject *module, PyObject *args)
{
    (void)module;
    unsigned long id;
    Py_ssize_t depth;
    PyObject *code, *path;
    int instruction;
    if (!PyArg_ParseTuple(args, "knOiO!:look_up", &id, &depth, &code, &instruction, &PyTuple_Type,
                          &path)) {
        return NULL;
    }
    PyFrameObject *frame = frame_of(id, depth);
    int is_there = frame != NULL && stands(frame, code, instruction);
    PyObject *found = told(is_there ? (PyObject *)frame : NULL, path);
    Py_XDECREF(frame);
    return found;
}

/* look_up_from(thing, path): the same from a thing on. */
PyObject *
look_up_from(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *thing, *path;
    if (!PyArg_ParseTuple(args, "OO!:look_up_from", &thing, &PyTuple_Type, &path)) {
        return NULL;
    }
    return told(thing, path);
}
