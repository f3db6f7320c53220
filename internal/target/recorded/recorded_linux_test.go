package recorded

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/internal/blk/logwrites"
	"untorn/internal/disk"
	"untorn/internal/loopfs"
	"untorn/internal/needs"
	"untorn/verifier"
	"untorn/workloads"
)

// TestMain is the disk's process when it is asked to be.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "disk-server" {
		if err := disk.Serve(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// config is a configuration of operations on a file of 64 KiB.
func config(t testing.TB, filesystem string, ops ...string) *Config {
	t.Helper()
	if err := Missing(filesystem); err != nil {
		needs.Or(t, err)
	}
	w := &workloads.Workload{File: 64 << 10, Layout: workloads.Contiguous, FreeSpace: workloads.Contiguous}
	for _, text := range ops {
		o, err := workloads.ParseOp(text)
		require.NoError(t, err)
		w.Ops = append(w.Ops, o)
	}
	return &Config{Workload: w, Contract: verifier.Untorn, Filesystem: filesystem, Block: 4096, Cluster: 4096,
		Device: Device{LBA: 512, NAWUPF: 512}, Server: []string{os.Args[0], "disk-server"}}
}

// record records and judges.
func record(t *testing.T, c *Config, images int) *Result {
	t.Helper()
	r, err := Record(context.Background(), c)
	require.NoError(t, err)
	res, err := c.Judge(context.Background(), r, Bounds{Images: images, Seed: 1, Workers: 4})
	require.NoError(t, err)
	require.False(t, res.Partial)
	return res
}

// Blocks of ext4 and of the bare device are written in place, those of XFS are
// not when the write is atomic: torn, and not.
func TestTornAndNot(t *testing.T) {
	for _, c := range []struct {
		filesystem, flags string
		want              verifier.Verdict
	}{
		{"xfs", " direct atomic", verifier.Held},
		{"xfs", " direct atomic unflagged", verifier.Torn},
		{"xfs", " atomic unflagged", verifier.Torn},
		{"ext4", " direct atomic unflagged", verifier.Torn},
		{"block", " direct atomic unflagged", verifier.Torn},
	} {
		t.Run(c.filesystem+c.flags, func(t *testing.T) {
			cfg := config(t, c.filesystem, "db: pwrite offset=16KiB length=16KiB"+c.flags, "db: fsync", "db: pwrite offset=16KiB length=16KiB"+c.flags)
			res := record(t, cfg, 60)
			require.Equal(t, c.want, res.Worst(), "%v", res.Verdicts)
			require.Equal(t, 2, res.Accepted)
			require.False(t, res.Space.Whole)
			if c.want == verifier.Held {
				return
			}
			// Judged again from the saved log it is the same.
			e := res.First[c.want]
			var b bytes.Buffer
			require.NoError(t, logwrites.Write(&b, res.Recording.Log()))
			log, err := logwrites.Read(&b)
			require.NoError(t, err)
			saved, err := Load(cfg, log)
			require.NoError(t, err)
			again, err := cfg.Rejudge(context.Background(), saved, &e.Found)
			require.NoError(t, err)
			require.Equal(t, e.Verdict, again.Verdict)
			require.Equal(t, e.Reason, again.Reason)
			// On a device that promises the unit it is whole.
			cfg.Device.NAWUPF = 16 << 10
			if cfg.Filesystem != "ext4" {
				res, err = cfg.Judge(context.Background(), res.Recording, Bounds{Images: 60, Seed: 1, Workers: 4})
				require.NoError(t, err)
				require.Equal(t, verifier.Held, res.Worst())
			}
		})
	}
}

// What a kernel does not take is refused, and nothing of it is in any image.
func TestRefused(t *testing.T) {
	for _, c := range [][2]string{{"ext4", " direct"}, {"block", " direct"}, {"xfs", ""}} {
		cfg := config(t, c[0], "db: pwrite offset=16KiB length=16KiB atomic"+c[1], "db: fsync")
		res := record(t, cfg, 30)
		require.Zero(t, res.Accepted, c[0])
		require.Equal(t, verifier.Held, res.Worst(), c[0])
		got, _ := res.Recording.History.Result(1)
		require.Equal(t, workloads.Fail(workloads.EOPNOTSUPP), got, c[0])
	}
}

// A file that is gone after recovery was durable before the operations: that is a
// loss, and what cannot be mounted is damage.
func TestVanished(t *testing.T) {
	cfg := config(t, "ext4", "db: fsync")
	h := workloads.NewHistory(cfg.Workload)
	for _, c := range []struct {
		on     loopfs.Options
		want   verifier.Verdict
		reason string
	}{
		{loopfs.Options{Filesystem: "ext4", Size: 16 << 20}, verifier.Lost, "the file is not there, and it was durable before the first operation"},
		{loopfs.Options{Size: 16 << 20}, verifier.Corrupt, "recovery: "},
	} {
		x, err := cfg.readMounted(needs.Scratch(t, c.on).Device, func() error { return nil })
		require.NoError(t, err)
		verdict, reason, err := judgeOne(nil, x, h)
		require.NoError(t, err)
		require.Equal(t, c.want, verdict, reason)
		require.Contains(t, reason, c.reason)
	}
}

// The log of XFS and the journal of ext4 are found where their superblocks say,
// and data by its stamps.
func TestClasses(t *testing.T) {
	for _, filesystem := range []string{"xfs", "ext4", "block"} {
		cfg := config(t, filesystem, "db: pwrite offset=16KiB length=16KiB direct", "db: truncate offset=32KiB", "db: fsync")
		if filesystem == "block" {
			cfg.Workload.Ops = append(cfg.Workload.Ops[:1], cfg.Workload.Ops[2])
		}
		res := record(t, cfg, 1)
		count := make(map[Class]int)
		for _, c := range res.Recording.Classes(filesystem) {
			count[c]++
		}
		require.Equal(t, 1, count[Data], filesystem)
		require.Positive(t, count[Flush], filesystem)
		require.Equal(t, filesystem != "block", count[Log] > 0, filesystem)
	}
}

// On a disk that may leave garbage in what it does not keep whole, a write in
// place is garbage, one to new blocks is not, and neither is what fits the device.
func TestGarbage(t *testing.T) {
	for _, c := range []struct {
		filesystem, flags string
		nawupf            int64
		want              verifier.Verdict
	}{
		{"xfs", " direct atomic", 512, verifier.Held},
		{"xfs", " direct atomic unflagged", 512, verifier.Corrupt},
		{"block", " direct atomic unflagged", 512, verifier.Corrupt},
		{"block", " direct atomic unflagged", 16 << 10, verifier.Held},
	} {
		cfg := config(t, c.filesystem, "db: pwrite offset=16KiB length=16KiB"+c.flags, "db: fsync", "db: pwrite offset=16KiB length=16KiB"+c.flags)
		cfg.Device.Garbage, cfg.Device.NAWUPF = true, c.nawupf
		res := record(t, cfg, 60)
		require.Equal(t, c.want, res.Worst(), "%s%s: %v", c.filesystem, c.flags, res.Verdicts)
		if c.want == verifier.Held {
			continue
		}
		e := res.First[c.want]
		require.Contains(t, e.Reason, "garbage")
		found, err := ParseFound(e.Found.Text())
		require.NoError(t, err)
		again, err := cfg.Rejudge(context.Background(), res.Recording, found)
		require.NoError(t, err)
		require.Equal(t, e.Reason, again.Reason)
		cfg.Device.Garbage = false
		_, err = cfg.Rejudge(context.Background(), res.Recording, found)
		require.ErrorContains(t, err, "holds garbage, which on this device it cannot")
	}
}
