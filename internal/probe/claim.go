package probe

import "fmt"

// claim is what can and what cannot be claimed, in one line.
func (r *Result) claim() string {
	tried := len(r.Tries) > 0
	from, to := r.Statx.UnitMin, r.Statx.UnitMax
	if tried && to > 0 {
		from, to = r.succeeded()
	}
	switch {
	case r.Kind == "directory" && !tried:
		return "nothing yet: a directory has no limits; name a file in it, or a scratch file with --write"
	case r.Statx.UnitMax == 0:
		return "no write here is atomic under power loss: the kernel takes none, direct or buffered; " + r.hope()
	case to == 0:
		return "no write here is atomic under power loss: statx reports units, and the kernel refused a direct write of every length; " + r.hope()
	case !tried && !r.judged():
		return fmt.Sprintf("nothing yet: whether %s takes such writes has to be tried, on a scratch file with --write", r.Filesystem)
	}
	return fmt.Sprintf("direct writes of %s%s are atomic %s; %s; only a loss of power or a recorded log shows more",
		span(from, to), r.where(), r.how(to), r.buffered())
}

// where says which of them. A file system sets the size apart from the data, so
// that a write over the end of file may be recovered in part, and RLIMIT_FSIZE
// shortens a write after it was checked; a device has neither.
func (r *Result) where() string {
	if r.Kind == "block device" {
		return ""
	}
	return " inside the file and its size limit"
}

// how says why direct writes up to a length are atomic.
func (r *Result) how(to int64) string {
	const remaps = "because XFS remaps, if the disk keeps flushes"
	word := "on the word of the device that it keeps a unit whole"
	if r.Device != nil {
		word = fmt.Sprintf("on the word of %s that it keeps a unit whole", r.Device.Name)
	}
	place := r.Statx.UnitMaxOpt
	switch {
	case r.Filesystem != "xfs":
		return word
	case r.hardware() == 0:
		return remaps
	case place > 0 && place < to:
		return fmt.Sprintf("up to %s %s, above that %s", size(place), word, remaps)
	}
	return word
}

func (r *Result) buffered() string {
	if len(r.Tries) == 0 {
		return "through the page cache nothing (not tried)"
	}
	longest := int64(0)
	for _, t := range r.Tries {
		if t.Buffered == "ok" {
			longest = t.Length
		}
	}
	if longest == 0 {
		return "through the page cache nothing: the kernel refuses it"
	}
	return fmt.Sprintf("through the page cache up to %s are accepted, which no released kernel does", size(longest))
}

// hope is the most that an application may hope for where nothing is promised.
func (r *Result) hope() string {
	switch {
	case r.Filesystem == "tmpfs":
		return "what is in tmpfs is gone with the power"
	case r.Device == nil:
		return "nothing is known of a device below"
	}
	return fmt.Sprintf("one logical block of %s (%s) is the most that can be hoped for", r.Device.Name, size(r.Device.Queue.LogicalBlock))
}

// succeeded returns the shortest and the longest direct write that the kernel
// took, 0 and 0 for none.
func (r *Result) succeeded() (from, to int64) {
	for _, t := range r.Tries {
		if t.Direct != "ok" {
			continue
		}
		if from == 0 {
			from = t.Length
		}
		to = t.Length
	}
	return from, to
}

func span(from, to int64) string {
	if to == 0 {
		return "no length"
	}
	return fmt.Sprintf("%s to %s", size(from), size(to))
}
