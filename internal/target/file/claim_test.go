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
