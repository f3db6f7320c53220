// Package replayid writes one schedule of one row as a short line: the version
// of the engine, a fingerprint of the row, the choices by number, and the cut.
// It survives a mail and a careless typist, or says that it did not.
package replayid

import (
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"

	"untorn/internal/tape"
)

// Row is a fingerprint of everything that decides what a schedule does.
type Row [5]byte

// ID is what a replay id says.
type ID struct {
	Engine  string // version of the engine, digits
	Row     Row
	Event   int   // after which event of the log power is lost, 0 for a schedule without a cut
	Verdict uint8 // of the image at the cut
	Answers []tape.Answer
}

// format is the version of the encoding.
const format = 1

// MaxLength bounds an id, in characters.
const MaxLength = 1 << 20

// The alphabet has no i, l, o and u: what is read as one of the first three is
// taken for the digit that it looks like.
var alphabet = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// maxNumber bounds the numbers of an id, far above what a run can reach.
const maxNumber = 1 << 30

// wide is the first option that does not fit next to the skip of an answer.
const wide = 7

// String prints the id: u, the version of the engine, a dash, and digits and
// lower-case letters.
func (id *ID) String() string {
	prefix := "u" + id.Engine + "-"
	p := append([]byte{format}, id.Row[:]...)
	p = binary.AppendUvarint(p, uint64(id.Event))
	p = append(p, id.Verdict)
	for _, a := range id.Answers {
		p = binary.AppendUvarint(p, uint64(a.Skip)<<3|uint64(min(a.Option, wide)))
		if a.Option >= wide {
			p = binary.AppendUvarint(p, uint64(a.Option-wide))
		}
	}
	p = binary.BigEndian.AppendUint32(p, checksum(prefix, p))
	return prefix + alphabet.EncodeToString(p)
}

// checksum finds every error within 32 neighbouring bits, so that no single
// wrong character and no two that changed places pass.
func checksum(prefix string, p []byte) uint32 {
	return crc32.Update(crc32.Checksum([]byte(prefix), castagnoli), castagnoli, p)
}

var errDamaged = errors.New("damaged: a character is wrong, missing or one too many")

// Parse reads an id. Case, white space and dashes within it are no matter, and
// neither is an o for a zero or an i or l for a one. It does not ask whether
// the version of the engine is ours.
func Parse(s string) (*ID, error) {
	if len(s) > MaxLength {
		return nil, fmt.Errorf("%d characters; allowed: up to %d", len(s), MaxLength)
	}
	s = strings.Join(strings.Fields(strings.ToLower(s)), "")
	engine, body, ok := strings.Cut(s, "-")
	engine, u := strings.CutPrefix(engine, "u")
	if !ok || !u || engine == "" || strings.Trim(engine, "0123456789") != "" {
		return nil, errors.New("not a replay id; allowed: one as a report prints it, such as u2-040g40r4...")
	}
	body = strings.NewReplacer("-", "", "o", "0", "i", "1", "l", "1").Replace(body)
	p, err := alphabet.DecodeString(body)
	if err != nil || alphabet.EncodeToString(p) != body || len(p) < 5 {
		return nil, errDamaged
	}
	p, sum := p[:len(p)-4], binary.BigEndian.Uint32(p[len(p)-4:])
	if checksum("u"+engine+"-", p) != sum {
		return nil, errDamaged
	}
	if p[0] != format {
		return nil, fmt.Errorf("format %d; allowed: %d", p[0], format)
	}
	id := &ID{Engine: engine}
	if err := id.decode(p[1:]); err != nil {
		return nil, err
	}
	return id, nil
}

// decode reads what follows the format.
func (id *ID) decode(p []byte) error {
	if len(p) < len(id.Row) {
		return errDamaged
	}
	p = p[copy(id.Row[:], p):]
	bad := false
	number := func() int {
		v, n := binary.Uvarint(p)
		if n <= 0 || v > maxNumber {
			bad, p = true, nil
			return 0
		}
		p = p[n:]
		return int(v)
	}
	if id.Event = number(); bad || len(p) == 0 {
		return errDamaged
	}
	id.Verdict, p = p[0], p[1:]
	for len(p) > 0 {
		v := number()
		a := tape.Answer{Skip: v >> 3, Option: v & wide}
		if a.Option == wide {
			a.Option += number()
		}
		if bad || a.Option == 0 {
			return errDamaged
		}
		id.Answers = append(id.Answers, a)
	}
	return nil
}
