package file

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/internal/loopfs"
	"untorn/internal/needs"
)

func TestMountOf(t *testing.T) {
	name := filepath.Join(t.TempDir(), "mountinfo")
	require.NoError(t, os.WriteFile(name, []byte(
		"22 1 254:1 / / rw - ext4 /dev/vda1 rw\n"+
			"23 22 0:21 / /proc rw,nosuid shared:1 - proc proc rw\n"+
			"24 22 259:3 / /mnt/data rw - xfs /dev/nvme0n1p2 rw\n"), 0o600))
	for _, c := range []struct{ number, want string }{{"254:1", "/"}, {"259:3", "/mnt/data"}, {"259:1", ""}, {"0:21", "/proc"}} {
		got, err := mountOf(name, map[string]string{c.number: "x"})
		require.NoError(t, err)
		require.Equal(t, c.want, got, c.number)
	}
}

// A device below another one is in use, though nobody has it mounted.
func TestClaimInUse(t *testing.T) {
	s := needs.Scratch(t, loopfs.Options{Size: 1 << 20})
	require.NoError(t, Claim(s.Device, "1MiB"))
	require.NoError(t, Claim(s.Device, "1048576"))
	x, err := Open(Config{Workload: work(t, "a: fsync"), Path: s.Device})
	require.NoError(t, err)
	_, err = Open(Config{Workload: work(t, "a: fsync"), Path: s.Device})
	require.ErrorContains(t, err, "is in use")
	require.NoError(t, x.Close())
	var refused *RefusedError
	require.ErrorAs(t, Claim("/dev/null-not-there", "x"), &refused)
	require.NoError(t, Claim("/dev/null-not-there", ""))
}

// What a loop device has its content in is in use, though the kernel would let
// anyone open it alone.
func TestClaimBelowALoop(t *testing.T) {
	image := filepath.Join(t.TempDir(), "image")
	require.NoError(t, os.WriteFile(image, make([]byte, 1<<20), 0o600))
	lower := needs.Scratch(t, loopfs.Options{Image: image})
	other := filepath.Join(filepath.Dir(image), "other")
	require.NoError(t, os.Link(image, other))
	require.EqualError(t, Claim(other, ""), other+" is in use: "+lower.Device+" has its content there")

	require.NoError(t, Claim(lower.Device, "1MiB"))
	upper, err := loopfs.New(loopfs.Options{Image: lower.Device})
	require.NoError(t, err)
	require.EqualError(t, Claim(lower.Device, "1MiB"), lower.Device+" is in use: "+upper.Device+" has its content there")
	require.NoError(t, upper.Close())
	require.NoError(t, Claim(lower.Device, "1MiB"))
}
