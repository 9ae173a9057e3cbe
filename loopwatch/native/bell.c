/* The bells that wake watchers from deep sleep: one pipe each, never closed while it may be
   written.

   Code that finds a loop state `asleep` rings, on any thread, with the GIL or without: it writes to
   a non-blocking pipe. A closed descriptor may soon be another file's. So bells are rung, made and
   removed under one lock, which is held for nothing else. */

#include "watcher.h"

#ifdef _WIN32

void
wake_watcher(void)
{
}

#else

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

int posted; /* our call to the main thread is pending */

static Watcher *watchers;
static PyThread_type_lock ringing, spare; /* spare: for a forked child, which may not allocate */
static pid_t owner; /* the process that all this is of; 0: nothing is prepared */

void
ring_bell(Watcher *self)
{
    ssize_t written = write(self->bell[1], "", 1); /* fails if full: then it is rung already */
    (void)written;
}

/* Empties a bell, and returns when a loop first rang it; NEVER if none did. */
double
hear_bell(Watcher *self)
{
    char rung[64];
    PyThread_acquire_lock(ringing, WAIT_LOCK);
    double rang = self->rang;
    self->rang = NEVER;
    while (read(self->bell[0], rung, sizeof(rung)) == (ssize_t)sizeof(rung)) {
    }
    PyThread_release_lock(ringing);
    return rang;
}

/* Wakes all watchers in deep sleep. Any thread may call it, with or without the GIL. */
void
wake_watcher(void)
{
    if (ringing == NULL) {
        return;
    }
    PyThread_acquire_lock(ringing, WAIT_LOCK);
    for (Watcher *each = watchers; each != NULL; each = each->next) {
        if (each->armed) {
            each->rang = each->rang < NEVER ? each->rang : read_system_clock();
            ring_bell(each);
        }
    }
    PyThread_release_lock(ringing);
}

/* The pending call that the main thread makes as it runs bytecode. */
int
on_main_thread(void *unused)
{
    (void)unused;
    __atomic_store_n(&posted, 0, __ATOMIC_RELEASE);
    wake_watcher();
    return 0;
}

static void
close_bell(Watcher *self)
{
    for (int n = 0; n < 2; n++) {
        if (self->bell[n] >= 0) {
            close(self->bell[n]);
            self->bell[n] = -1;
        }
    }
}

static int
open_bell(Watcher *self)
{
    if (pipe(self->bell) < 0) {
        self->bell[0] = self->bell[1] = -1;
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    for (int n = 0; n < 2; n++) {
        fcntl(self->bell[n], F_SETFD, FD_CLOEXEC);
        fcntl(self->bell[n], F_SETFL, O_NONBLOCK);
    }
    return 0;
}

/* In a forked child, once: threads that waited or had a lock do not exist here. Its handlers run in
   the order of registration, and one of uvloop's, for a subprocess, runs Python's hooks. So whoever
   comes first calls this. */
void
forget_parent(void)
{
    pid_t own = getpid();
    if (owner == 0 || own == owner) {
        return;
    }
    owner = own;
    for (Watcher *each = watchers; each != NULL; each = each->next) {
        disarm(each);
        close_bell(each);
        each->waiting = 0;
        each->asked = NEVER;
    }
    watchers = NULL;
    posted = 0;
    forget_call();
    forget_turns();
    ringing = spare;
    spare = NULL;
    guard_polls_anew();
}

/* Prepares what all watchers share. */
static int
prepare(void)
{
    forget_parent();
    ringing = ringing != NULL ? ringing : PyThread_allocate_lock();
    spare = spare != NULL ? spare : PyThread_allocate_lock();
    if (ringing == NULL || spare == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if (owner == 0) {
        owner = getpid();
        pthread_atfork(NULL, NULL, forget_parent);
    }
    return 0;
}

/* Gives a watcher a bell, and adds it to those that are rung. */
int
join_watchers(Watcher *self)
{
    if (prepare() < 0 || open_bell(self) < 0) {
        return -1;
    }
    PyThread_acquire_lock(ringing, WAIT_LOCK);
    self->next = watchers;
    watchers = self;
    PyThread_release_lock(ringing);
    return 0;
}

Watcher *
first_watcher(void)
{
    return watchers;
}

/* Removes a watcher's bell, so that it is not rung any more. */
void
leave_watchers(Watcher *self)
{
    if (ringing == NULL) {
        return;
    }
    PyThread_acquire_lock(ringing, WAIT_LOCK);
    for (Watcher **at = &watchers; *at != NULL; at = &(*at)->next) {
        if (*at == self) {
            *at = self->next;
            break;
        }
    }
    close_bell(self);
    PyThread_release_lock(ringing);
}
#endif
