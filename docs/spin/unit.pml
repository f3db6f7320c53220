/* One unit of two folios, one writer, a flusher, a device with a volatile cache
 * that promises one LBA, and a loss of power at each step. The numbers are those
 * of the steps of the kernel that the scenarios beside this file run through.
 *
 * Variants, by -D: PLAIN writes in place; otherwise new blocks are written, and a
 * log record maps them; NOFLUSH leaves the flush before that record out. SECTORS
 * is the number of LBAs of a folio. */
#ifndef SECTORS
#define SECTORS 8
#endif
#define ALL ((1 << (2 * SECTORS)) - 1)
#define HALF(f) (((1 << SECTORS) - 1) << ((f) * SECTORS))

bit dirty[2];       /* the folio holds the new version, and the disk may not */
bit writing;        /* a write is in the unit */
bit busy;           /* the unit is under writeback */
byte ioend;         /* 1 submitted, 2 completed by the device */
int pending = 0;    /* LBAs that the device has and the medium does not */
int medium = 0;     /* LBAs of the blocks written that hold the new version */
bit logged;         /* the remap is in memory and waits for the log */
bit mapped;         /* the remap is on the medium */
bit reported;       /* fsync returned */

inline harden(i)
{
	d_step { (pending & (1 << i)) -> medium = medium | (1 << i); pending = pending & ~(1 << i) }
}

inline take(f)
{
	d_step { if :: dirty[f] -> dirty[f] = 0; taken = taken | HALF(f) :: else fi }
}

/* Steps 20 to 30: pick the unit, submit what is dirty as one command. */
inline writeback()
{
#ifdef PLAIN
	d_step { !busy && (dirty[0] || dirty[1]) -> busy = 1 }          /* 21 */
#else
	d_step { !busy && !writing && (dirty[0] || dirty[1]) -> busy = 1 }
#endif
	take(0);                                                        /* 22 to 28 */
	take(1);
	d_step { pending = pending | (taken & ~medium); taken = 0; ioend = 1 } /* 29, 30 */
}

/* Steps 37 and 38: flush, then the log record by FUA. */
inline force()
{
#ifndef NOFLUSH
	d_step { medium = medium | pending; pending = 0 }
#endif
	d_step { if :: logged -> mapped = 1; logged = 0 :: else fi }
}

active proctype db()
{
	int taken = 0;
	writing = 1;                              /* 2: lock inode */
	dirty[0] = 1;                             /* 12, 13: copy, end of copy */
	dirty[1] = 1;
	writing = 0;                              /* 18: unlock inode */
	do                                        /* fsync: wait for writeback, then write what is dirty */
	:: writeback()
	:: !busy && !dirty[0] && !dirty[1] -> break
	od;
	force();
#ifdef PLAIN
	d_step { medium = medium | pending; pending = 0 }
#endif
	reported = 1
}

active proctype flusher()
{
	int taken = 0;
end:	writeback()
}

active proctype kworker()                     /* 32 to 36: the ioend is complete */
{
end:	do
	:: d_step { ioend == 2 -> ioend = 0 };
#ifndef PLAIN
	   logged = 1;
#endif
	   busy = 0
	od
}

active proctype device()
{
end:	do
	:: d_step { ioend == 1 -> ioend = 2 }
	:: harden(0) :: harden(1) :: harden(2) :: harden(3) :: harden(4) :: harden(5) :: harden(6) :: harden(7)
	:: harden(8) :: harden(9) :: harden(10) :: harden(11) :: harden(12) :: harden(13) :: harden(14) :: harden(15)
	od
}

#ifdef PLAIN
#define OLD (medium == 0)
#define NEW (medium == ALL)
#else
#define OLD (!mapped)
#define NEW (mapped && medium == ALL)
#endif

/* Power may be lost in any state. What is on the medium then must be the old
 * unit or the new one, and the new one when fsync returned. Losing it leads to no
 * new state of the machine, so that only what is wrong is a transition. */
active proctype power()
{
end:	!(NEW || (OLD && !reported)) -> assert(false)
}
