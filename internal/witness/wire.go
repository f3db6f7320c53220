// Package witness keeps what was acknowledged to a writer whose machine loses
// power. The writer tells it of every call before it is made and of every return
// before the next call, and goes on only when the witness has that on its disk.
package witness

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// Limits of the wire.
const (
	// MaxMessage bounds a message, in bytes.
	MaxMessage = 256 << 10
	// MinToken is the least length of a shared token, in bytes.
	MinToken = 16

	nonceLen = 32
	macLen   = sha256.Size
)

// ErrToken says that the other side does not have the same token.
var ErrToken = errors.New("the other side does not have the same token")

// CheckToken refuses a token that can be guessed.
func CheckToken(token []byte) error {
	if len(token) < MinToken {
		return fmt.Errorf("a token of %d bytes; allowed: %d and more", len(token), MinToken)
	}
	return nil
}

// channel is an authenticated connection. Each message is a length, an HMAC of
// who sends it, its number and its bytes, and the bytes: nobody without the
// token can add, change, repeat or reorder one. Nothing is secret.
type channel struct {
	conn       net.Conn
	timeout    time.Duration
	key        []byte
	mine, them byte // names of the sides
	sent, got  uint64
}

// The sides, as their messages name them.
const (
	writerSide  = 'w'
	witnessSide = 's'
)

func mac(key []byte, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write(p)
	}
	return h.Sum(nil)
}

// hello proves to each side that the other one has the token: both send a nonce,
// then an HMAC of both nonces that also names the side.
func hello(conn net.Conn, token []byte, side byte, timeout time.Duration) (*channel, error) {
	if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return nil, err
	}
	mine := make([]byte, nonceLen)
	if _, err := rand.Read(mine); err != nil {
		return nil, err
	}
	if _, err := conn.Write(mine); err != nil {
		return nil, err
	}
	other := make([]byte, nonceLen)
	if _, err := io.ReadFull(conn, other); err != nil {
		return nil, err
	}
	c := &channel{conn: conn, timeout: timeout, mine: side, them: writerSide + witnessSide - side}
	first, second := mine, other // the writer's comes first
	if side == witnessSide {
		first, second = other, mine
	}
	proof := func(side byte) []byte { return mac(token, []byte("untorn hello"), []byte{side}, first, second) }
	// The writer proves itself first, so that the witness says nothing to a
	// stranger.
	if side == writerSide {
		if _, err := conn.Write(proof(side)); err != nil {
			return nil, err
		}
	}
	theirs := make([]byte, macLen)
	if _, err := io.ReadFull(conn, theirs); err != nil {
		if side == writerSide && errors.Is(err, io.EOF) {
			err = ErrToken
		}
		return nil, err
	}
	if !hmac.Equal(theirs, proof(c.them)) {
		return nil, ErrToken
	}
	if side == witnessSide {
		if _, err := conn.Write(proof(side)); err != nil {
			return nil, err
		}
	}
	c.key = mac(token, []byte("untorn session"), first, second)
	return c, nil
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// send writes one message.
func (c *channel) send(body string) error {
	if len(body) > MaxMessage {
		return fmt.Errorf("a message of %d bytes; at most %d are possible", len(body), MaxMessage)
	}
	b := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	b = append(b, mac(c.key, []byte{c.mine}, number(c.sent), []byte(body))...)
	b = append(b, body...)
	c.sent++
	if err := c.conn.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
		return err
	}
	_, err := c.conn.Write(b)
	return err
}

// receive reads one message, and waits at most idle for it to begin. One that is
// too long, not whole or not from the other side is an error.
func (c *channel) receive(idle time.Duration) (string, error) {
	head := make([]byte, 4+macLen)
	if err := c.conn.SetReadDeadline(time.Now().Add(idle)); err != nil {
		return "", err
	}
	if _, err := io.ReadFull(c.conn, head[:1]); err != nil {
		return "", err
	}
	if err := c.conn.SetReadDeadline(time.Now().Add(c.timeout)); err != nil {
		return "", err
	}
	if _, err := io.ReadFull(c.conn, head[1:]); err != nil {
		return "", fmt.Errorf("a message that is not whole: %w", err)
	}
	n := binary.BigEndian.Uint32(head)
	if n > MaxMessage {
		return "", fmt.Errorf("a message of %d bytes; at most %d are possible", n, MaxMessage)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(c.conn, body); err != nil {
		return "", fmt.Errorf("a message that is not whole: %w", err)
	}
	if !hmac.Equal(head[4:], mac(c.key, []byte{c.them}, number(c.got), body)) {
		return "", errors.New("a message that is not from the other side")
	}
	c.got++
	return string(body), nil
}

// cutWord splits a message after its first word.
func cutWord(s string) (word, rest string) {
	word, rest, _ = strings.Cut(s, " ")
	return word, rest
}
