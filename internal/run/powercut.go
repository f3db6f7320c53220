package run

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"untorn/internal/target/file"
	"untorn/internal/witness"
	"untorn/scenarios"
	"untorn/verifier"
	"untorn/workloads"
)

// PowerCut says how rounds of one row run on this machine until it loses power.
type PowerCut struct {
	Live
	Witness  string // address
	Token    []byte
	Cut      string // a command for sh that takes the power away, "" when somebody else does
	CutAfter int    // marks after which it runs, 0 for a number drawn from Seed
	Seed     int64
	Rounds   int // 0 for no end
	// Grace is how long the machine may go on after the command has ended.
	Grace time.Duration
}

// dial connects to the witness, and returns the name of the boot of the running
// kernel as well, which the witness is told.
func (p *PowerCut) dial(ctx context.Context) (*witness.Writer, string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return nil, "", err
	}
	boot := strings.TrimSpace(string(b))
	writer, err := witness.Dial(ctx, p.Witness, p.Token, boot)
	return writer, boot, err
}

// DeviceRun runs rounds of a row, telling the witness of every call before it is
// made and of every return before the next one, until power is lost, the rounds
// are done or ctx ends. A round in which no atomic write was accepted is the
// last: no loss of power says anything of the next. It does not clean up: the
// file is what is judged after the reboot.
func DeviceRun(ctx context.Context, w io.Writer, r *scenarios.Row, p PowerCut, progress func(string)) (int, error) {
	if r.Skip != "" {
		return ExitUsage, errors.New(r.Skip)
	}
	if err := file.Claim(p.Path, p.Destroy); err != nil {
		return LiveExit(err), err
	}
	writer, _, err := p.dial(ctx)
	if err != nil {
		return ExitEnvironment, &EnvironmentError{err}
	}
	defer writer.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c := &cutter{Writer: writer, p: &p, ctx: ctx, end: cancel, after: p.CutAfter}
	if c.after == 0 {
		c.after = 1 + rand.New(rand.NewPCG(uint64(p.Seed), 0)).IntN(8*len(r.Workload.Ops))
	}
	defer c.wait()
	done := 0
	for ; p.Rounds == 0 || done < p.Rounds; done++ {
		if progress != nil {
			progress(fmt.Sprintf("round %d", done+1))
		}
		code, err := c.round(ctx, w, r)
		if ctx.Err() != nil {
			break
		}
		if code != ExitOK || err != nil {
			return code, err
		}
		c.p.Existing = true
	}
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return ExitEnvironment, &EnvironmentError{err}
	}
	_, err = fmt.Fprintf(w, "%d rounds were done and power was not lost: nothing is said of atomicity under power loss\n", done)
	if err != nil {
		return ExitEnvironment, &EnvironmentError{err}
	}
	return ExitOK, nil
}

// cutter is the hook that takes the power away after some marks.
type cutter struct {
	*witness.Writer
	p     *PowerCut
	ctx   context.Context
	end   context.CancelCauseFunc
	after int
	marks int
	wg    sync.WaitGroup
}

// Call implements file.Hook.
func (c *cutter) Call(op int) error { return c.mark(c.Writer.Call(op)) }

// Return implements file.Hook.
func (c *cutter) Return(op int, r workloads.Result) error { return c.mark(c.Writer.Return(op, r)) }

func (c *cutter) mark(err error) error {
	if c.marks++; err == nil && c.p.Cut != "" && c.marks == c.after {
		c.wg.Go(func() { c.cut(c.ctx) })
	}
	return err
}

// cut runs the command beside the writes. A machine that goes on after it is an
// error.
func (c *cutter) cut(ctx context.Context) {
	out, err := exec.CommandContext(ctx, "sh", "-c", c.p.Cut).CombinedOutput()
	if err != nil {
		c.end(fmt.Errorf("the command that cuts the power: %w: %s", err, strings.TrimSpace(string(out))))
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(c.p.Grace):
	}
	c.end(fmt.Errorf("the command that cuts the power has ended, and %v later there still is power", c.p.Grace))
}

// wait waits for a command that runs.
func (c *cutter) wait() { c.wg.Wait() }

// round runs the operations once.
func (c *cutter) round(ctx context.Context, w io.Writer, r *scenarios.Row) (code int, err error) {
	h := workloads.NewHistory(&r.Workload)
	h.Contract = r.Contract
	t, err := file.Open(file.Config{Workload: &r.Workload, Path: c.p.Path, Second: c.p.Second, Existing: c.p.Existing, Depth: c.p.Depth, Hook: c})
	if err != nil {
		return LiveExit(err), err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	first := c.Round() == 0
	if first {
		if _, err := fmt.Fprintf(w, "run %s; after the reboot: untorn device verify --witness %s --run %s --on %s\n",
			c.Run, c.p.Witness, c.Run, ShellWord(c.p.Path)); err != nil {
			return ExitEnvironment, &EnvironmentError{err}
		}
	}
	// The witness has to know that version 0 is on its way before it is.
	places := []string{file.Place(c.p.Path), file.Place(c.p.Second)}[:r.Workload.Files()]
	if err := c.Begin(h, places...); err != nil {
		return ExitEnvironment, &EnvironmentError{err}
	}
	t.SetEpoch(epoch(c.Run, c.Round()))
	if err := t.Prepare(); err != nil {
		return LiveExit(err), err
	}
	if err := c.Prepared(); err != nil {
		return ExitEnvironment, &EnvironmentError{err}
	}
	got, err := t.Run(ctx)
	if err != nil {
		return ExitEnvironment, &EnvironmentError{err}
	}
	got.Contract = r.Contract
	files, err := t.Read()
	if err != nil {
		return ExitEnvironment, &EnvironmentError{err}
	}
	v, err := verifier.NewFiles(&r.Workload, contracts[r.Contract])
	if err != nil {
		return ExitUsage, err
	}
	rep, err := v.JudgeFiles(files, got)
	if err != nil {
		return ExitEnvironment, &EnvironmentError{err}
	}
	if rep.Verdict.Bad() {
		_, err = fmt.Fprintf(w, "%v, without a loss of power: %s\n", rep.Verdict, rep.Reason)
		return ExitUnexpected, err
	}
	calls := countAtomic(got, nil)
	if calls.none() {
		limits, err := t.Limits()
		if err != nil {
			return ExitEnvironment, &EnvironmentError{err}
		}
		return tell(w, verifier.Refused, refusedBy(limits))
	}
	if first {
		if _, err := io.WriteString(w, calls.partly()); err != nil {
			return ExitEnvironment, &EnvironmentError{err}
		}
	}
	return ExitOK, nil
}

// epoch returns that of the stamps of a round: what an earlier round or another
// run left on the disk must not pass for what this one wrote. Rounds that follow
// each other differ; runs differ but for one in millions.
func epoch(name string, round int) file.Epoch {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	const epochs = 1<<file.EpochBits - 1 // but for 0
	return file.Epoch(1 + (h.Sum64()+uint64(round))%epochs)
}

// DeviceVerify judges what is in a file or device by what the witness holds of a
// run, the last one for "". sameBoot says that the disk was cut although the
// kernel is the one that wrote.
func DeviceVerify(ctx context.Context, w io.Writer, p PowerCut, name string, sameBoot bool) (int, error) {
	writer, boot, err := p.dial(ctx)
	if err != nil {
		return ExitEnvironment, &EnvironmentError{err}
	}
	defer writer.Close()
	round, err := writer.Get(name)
	if err != nil {
		return ExitEnvironment, &EnvironmentError{err}
	}
	calls, returns := 0, 0
	for _, m := range round.History.Marks() {
		if m.Return {
			returns++
		} else {
			calls++
		}
	}
	fmt.Fprintf(w, "run %s, round %d: %d operations called, %d returned\n", round.Run, round.Number, calls, returns)
	why := ""
	switch {
	case !round.Prepared:
		why = "power was lost while the round was prepared"
	case round.Boot == boot && !sameBoot:
		why = "this kernel has not been started anew since: what was not on the disk may still be in memory; killing a process is no loss of power"
	}
	if why == "" {
		for i, path := range []string{p.Path, p.Second}[:round.History.Workload().Files()] {
			if path != "" && file.Vanished(path) {
				return vanished(w, path, round.Places[i])
			}
		}
		if calls == 0 {
			why = "power was lost before the first operation"
		}
	}
	if why != "" {
		return tell(w, verifier.Inconclusive, why)
	}
	size := int64(-1)
	if block, err := file.IsDevice(p.Path); err != nil {
		return ExitUsage, err
	} else if block {
		size = round.History.Workload().File
	}
	return VerifyFile(w, p.Path, p.Second, size, epoch(round.Run, round.Number), round.History)
}

// vanished says what a durable file is that is not there: lost, where it is known
// that this is where it was. A file system that is not mounted, or a name that is
// not right, accuses nobody.
func vanished(w io.Writer, path, was string) (int, error) {
	switch file.Place(path) {
	case "":
		return tell(w, verifier.Inconclusive, path+" is not there, and was durable before the first operation, but this kernel does not say whether this is the file system of the run")
	case was:
		return tell(w, verifier.Lost, path+" is not there, and was durable before the first operation, by this name on this file system")
	}
	if was == "" {
		return tell(w, verifier.Inconclusive, path+" is not there, and was durable before the first operation, but the witness does not know on which file system")
	}
	uuid, name, _ := strings.Cut(was, "/")
	return ExitUsage, fmt.Errorf("--on: %s is not there; allowed: the path of %s on the file system with UUID %s, where the run was", path, name, uuid)
}

// Serve is a witness that listens on addr and keeps its records in dir.
func Serve(ctx context.Context, w io.Writer, addr, dir string, token []byte, log func(string)) (int, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return ExitEnvironment, &EnvironmentError{err}
	}
	if _, err := fmt.Fprintf(w, "listening on %s, records in %s\n", l.Addr(), dir); err != nil {
		return ExitEnvironment, &EnvironmentError{errors.Join(err, l.Close())}
	}
	s := &witness.Server{Dir: dir, Token: token, Log: log}
	if err := s.Serve(ctx, l); err != nil {
		return ExitEnvironment, &EnvironmentError{err}
	}
	return ExitOK, nil
}

// TokenEnv is the variable of the environment that may hold the shared token.
const TokenEnv = "UNTORN_TOKEN"

// Token returns the shared token from a file that its owner alone can read, or
// from the environment. It is never an argument, which all users of a machine
// can see.
func Token(path string) ([]byte, error) {
	text, where := os.Getenv(TokenEnv), TokenEnv
	if path != "" {
		st, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, errors.Unwrap(err))
		}
		if st.Mode().Perm()&0o077 != 0 {
			return nil, fmt.Errorf("%s: mode %04o; allowed: a file that its owner alone can read", path, st.Mode().Perm())
		}
		b, err := readSmall(path)
		if err != nil {
			return nil, err
		}
		text, where = string(b), path
	}
	token := []byte(strings.TrimSpace(text))
	if len(token) == 0 {
		return nil, fmt.Errorf("no token; allowed: --token-file FILE, or the variable %s", TokenEnv)
	}
	if err := witness.CheckToken(token); err != nil {
		return nil, fmt.Errorf("%s: %w", where, err)
	}
	return token, nil
}
