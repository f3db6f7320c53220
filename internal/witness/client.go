package witness

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"untorn/workloads"
)

// Writer tells a witness what a caller sees. It is a file.Hook: each method
// returns when the witness has it on its disk.
type Writer struct {
	Run string // names the run at the witness

	c     *channel
	boot  string
	round int
}

// clientTimeout bounds how long a writer waits for its witness.
const clientTimeout = 10 * time.Second

// Dial connects to a witness. boot names the boot of this machine's kernel.
func Dial(ctx context.Context, addr string, token []byte, boot string) (*Writer, error) {
	if err := CheckToken(token); err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: clientTimeout}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("witness: %w", err)
	}
	c, err := hello(conn, token, writerSide, clientTimeout)
	if err != nil {
		return nil, fmt.Errorf("witness %s: %w", addr, errors.Join(err, conn.Close()))
	}
	b := make([]byte, 8)
	if _, err := rand.Read(b); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &Writer{Run: hex.EncodeToString(b), c: c, boot: boot}, nil
}

// Close ends the connection.
func (w *Writer) Close() error { return w.c.conn.Close() }

// ask sends a message and waits for the answer.
func (w *Writer) ask(msg string) (string, error) {
	if err := w.c.send(msg); err != nil {
		return "", fmt.Errorf("witness: %w", err)
	}
	reply, err := w.c.receive(clientTimeout)
	if err != nil {
		return "", fmt.Errorf("witness: %w", err)
	}
	word, rest := cutWord(reply)
	if word != "ok" {
		return "", fmt.Errorf("witness: %s", rest)
	}
	return rest, nil
}

// Begin begins the next round, before version 0 is written. The contract stands
// in the history, which is empty. places are those of the files,
// one for each.
func (w *Writer) Begin(h *workloads.History, places ...string) error {
	w.round++
	_, err := w.ask("begin " + head(&Round{Run: w.Run, Number: w.round, Boot: w.boot, Places: places, History: h}))
	return err
}

// Round returns the number of the round that was begun last, from 1.
func (w *Writer) Round() int { return w.round }

// Prepared says that version 0 is durable.
func (w *Writer) Prepared() error {
	_, err := w.ask("prepared")
	return err
}

// Call implements file.Hook.
func (w *Writer) Call(op int) error {
	_, err := w.ask(fmt.Sprintf("call %d", op))
	return err
}

// Return implements file.Hook.
func (w *Writer) Return(op int, r workloads.Result) error {
	_, err := w.ask(fmt.Sprintf("return %d %s", op, r))
	return err
}

// Get returns what the witness holds of a run, or of the last one for "".
func (w *Writer) Get(run string) (*Round, error) {
	text, err := w.ask(strings.TrimRight("get "+run, " "))
	if err != nil {
		return nil, err
	}
	r, err := parseRound(text)
	if err != nil {
		return nil, fmt.Errorf("witness: %w", err)
	}
	return r, nil
}
