package witness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// Server is a witness.
type Server struct {
	Dir   string // where records are kept
	Token []byte
	Log   func(line string) // may be nil

	// Timeout bounds a handshake, and a message once it has begun; Idle the time
	// between messages. 0 is 10 s and 10 min.
	Timeout, Idle time.Duration
}

// maxWriters bounds the connections at a time.
const maxWriters = 64

// Serve answers writers until ctx ends, and closes l.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	if err := CheckToken(s.Token); err != nil {
		return errors.Join(err, l.Close())
	}
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return errors.Join(err, l.Close())
	}
	if s.Timeout == 0 {
		s.Timeout = 10 * time.Second
	}
	if s.Idle == 0 {
		s.Idle = 10 * time.Minute
	}
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, maxWriters)
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case slots <- struct{}{}:
		default:
			s.log("%v: more than %d writers", conn.RemoteAddr(), maxWriters)
			conn.Close()
			continue
		}
		wg.Go(func() {
			defer func() { <-slots }()
			end := context.AfterFunc(ctx, func() { conn.Close() })
			defer end()
			defer conn.Close()
			if err := s.writer(conn); err != nil && ctx.Err() == nil {
				s.log("%v: %v", conn.RemoteAddr(), err)
			}
		})
	}
}

func (s *Server) log(format string, args ...any) {
	if s.Log != nil {
		s.Log(fmt.Sprintf(format, args...))
	}
}

// writer answers one connection until it ends. A message that is not whole, or
// not authentic, ends it and changes nothing.
func (s *Server) writer(conn net.Conn) error {
	c, err := hello(conn, s.Token, witnessSide, s.Timeout)
	if err != nil {
		return err
	}
	var rec *record
	defer func() {
		if rec != nil {
			rec.f.Close()
		}
	}()
	for {
		msg, err := c.receive(s.Idle)
		if err != nil {
			return err
		}
		reply, err := s.answer(msg, &rec)
		if err != nil {
			// The writer is told why, and has to begin anew.
			return errors.Join(err, c.send("error "+err.Error()))
		}
		if err := c.send("ok " + reply); err != nil {
			return err
		}
	}
}

func (s *Server) answer(msg string, rec **record) (string, error) {
	word, rest := cutWord(msg)
	switch {
	case word == "begin":
		if *rec != nil {
			(*rec).f.Close()
			*rec = nil
		}
		r, err := begin(s.Dir, rest)
		if err != nil {
			return "", err
		}
		*rec = r
		s.log("run %s, round %d", r.round.Run, r.round.Number)
		return "", nil
	case word == "get":
		run := rest
		if run == "" {
			var err error
			if run, err = last(s.Dir); err != nil {
				return "", err
			}
		}
		return loadText(s.Dir, run)
	case *rec == nil:
		return "", errors.New("no round has begun")
	}
	return "", (*rec).add(msg)
}
