package run

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"untorn/crashsim"
	"untorn/crashsim/explore"
	"untorn/engine"
	"untorn/internal/count"
	"untorn/internal/report"
	"untorn/internal/target/model"
	"untorn/internal/temp"
	"untorn/scenarios"
	"untorn/verifier"
)

// fake answers for a target: what was found is given, replays are those of
// the default schedule of the real one with the verdict asked for.
type fake struct {
	Model
	design, control Explored
	check           error
}

func (f *fake) Check(*model.Config) error { return f.check }

func (f *fake) Explore(_ context.Context, c *model.Config, cfg explore.Config) (*Explored, error) {
	e := f.design
	if c.Design.Copy == engine.CopyPlain {
		e = f.control
	}
	e.Partial = e.Partial || cfg.Bound.Total < 0
	return &e, nil
}

func (f *fake) ReplayFinding(c *model.Config, x *explore.Finding) (*model.Replay, error) {
	p, err := f.Model.ReplayTape(c, nil)
	if err == nil {
		p.Verdict = model.VerdictOf(x.Class)
	}
	return p, err
}

func (f *fake) ReplayStuck(c *model.Config, _ *explore.Result) (*model.Replay, error) {
	p, err := f.Model.ReplayTape(c, nil)
	if err == nil {
		p.Verdict = verifier.Stuck
	}
	return p, err
}

// explored is an arm that accepted writes and whose images earned verdicts.
func explored(vs ...verifier.Verdict) Explored {
	e := Explored{Result: explore.Result{Exhausted: true, Schedules: count.Of(3)}, DistinctExact: true}
	e.Counts.Accepted, e.Counts.Cuts = count.Of(1), count.Of(1)
	e.Counts.Covered = count.Of(uint64(len(vs)))
	for _, v := range vs {
		e.Counts.Verdicts[v].AddWord(1)
		if v.Bad() && v != verifier.NotChecked {
			e.Findings = append(e.Findings, explore.Finding{Class: model.ClassOf(v), Steps: 5})
		}
	}
	return e
}

func with(e Explored, change func(*Explored)) Explored { change(&e); return e }

const text = `name: x
workload: {file: 8KiB, ops: [{op: pwrite, offset: 0, length: 8KiB, atomic: true}, {op: fsync}]}
`

func rows(t *testing.T, extra string) []scenarios.Row {
	t.Helper()
	s, err := scenarios.Decode("x.yaml", []byte(text+extra))
	require.NoError(t, err)
	return s.Rows()
}

func options(t *testing.T, target Target) Options {
	return Options{Target: target, Out: filepath.Join(t.TempDir(), "runs"), Workers: 1, Now: func() time.Time { return time.Unix(0, 0) }}
}

// The rules of the contract, each with the near miss that does not fall
// under it.
func TestVerdicts(t *testing.T) {
	held, torn := explored(verifier.Held), explored(verifier.Held, verifier.Torn)
	for name, tc := range map[string]struct {
		design, control Explored
		scenario        string
		want, reason    string
	}{
		"held":                    {held, torn, "", "held", ""},
		"app-torn does not count": {explored(verifier.AppTorn, verifier.Held), torn, "", "held", ""},
		"broke":                   {torn, torn, "", "torn", ""},
		"worst verdict":           {explored(verifier.Lost, verifier.Torn), torn, "", "torn", ""},
		"broke, control held":     {torn, held, "", "torn", ""},
		"control held":            {held, held, "", "inconclusive", "the control has to earn torn, and earned held"},
		"control broke otherwise": {held, explored(verifier.Lost), "", "inconclusive", "earned lost"},
		"control also worse":      {held, explored(verifier.Corrupt, verifier.Torn), "", "held", ""},
		"control has its own":     {held, explored(verifier.Lost), "control: {copy: plain, breaks: lost}", "held", ""},
		"no image":                {with(held, func(e *Explored) { e.Counts.Covered = count.Count{} }), torn, "", "not-checked", "no image"},
		"image not checked":       {explored(verifier.Torn, verifier.NotChecked), torn, "", "not-checked", "1 images were not judged"},
		"stuck before torn":       {with(torn, func(e *Explored) { e.Stuck = &crashsim.Outcome{Kind: crashsim.Deadlock} }), torn, "", "stuck", "deadlock"},
		"refused before torn":     {with(torn, func(e *Explored) { e.Counts.Accepted = count.Count{} }), torn, "", "refused", "no schedule accepted"},
		"stuck before refused": {with(held, func(e *Explored) {
			e.Counts.Accepted = count.Count{}
			e.Stuck = &crashsim.Outcome{Kind: crashsim.StepCap}
		}), torn, "", "stuck", "step cap"},
		"control refused":          {held, with(torn, func(e *Explored) { e.Counts.Accepted = count.Count{} }), "", "held", ""},
		"control without the flag": {held, with(torn, func(e *Explored) { e.Counts.Accepted = count.Count{} }), "control: {copy: plain, atomic: false}", "held", ""},
		"named fault silent":       {held, torn, "faults: {page_gone: every-step}", "inconclusive", "names page_gone, which struck in neither arm"},
		"named fault in control":   {held, with(torn, func(e *Explored) { e.Counts.Fired[crashsim.PageGone] = count.Of(1) }), "faults: {page_gone: every-step}", "held", ""},
		"named power loss silent":  {with(held, func(e *Explored) { e.Counts.Cuts = count.Count{} }), with(torn, func(e *Explored) { e.Counts.Cuts = count.Count{} }), "faults: {power_loss: every-step}", "inconclusive", "power_loss"},
		"default fault silent":     {held, torn, "faults: {budget: 1}", "held", ""},
		"partial":                  {with(held, func(e *Explored) { e.Partial = true }), torn, "", "inconclusive", "ended early"},
		"partial and broke":        {with(torn, func(e *Explored) { e.Partial = true }), torn, "", "torn", ""},
		"control partial":          {held, with(torn, func(e *Explored) { e.Partial = true }), "", "inconclusive", "ended early"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t, &fake{design: tc.design, control: tc.control})
			rep, code, err := Rows(context.Background(), rows(t, tc.scenario), o)
			require.NoError(t, err)
			res := rep.Results[0]
			assert.Equal(t, tc.want, res.Verdict)
			assert.Contains(t, res.Reason, tc.reason)
			assert.Equal(t, tc.want == "held", code == ExitOK)
			if tc.want != "held" {
				assert.Equal(t, ExitUnexpected, code)
			}

			rep, code, err = Rows(context.Background(), rows(t, tc.scenario+"\nexpect: "+strings.Replace(tc.want, "not-checked", "stuck", 1)), o)
			require.NoError(t, err)
			assert.Equal(t, tc.want != "not-checked", code == ExitOK, "any verdict but not-checked can be expected")
			assert.Equal(t, tc.want != "not-checked", rep.Results[0].AsExpected)
		})
	}
}

func TestExitCodes(t *testing.T) {
	held, torn := explored(verifier.Held), explored(verifier.Torn)
	target := &fake{design: held, control: torn}
	later := func(all []scenarios.Row) []scenarios.Row {
		all[1].NotBuilt = &engine.NotBuiltError{What: "it"}
		return all
	}
	_, code, err := Rows(context.Background(), later(rows(t, "faults: [{name: one}, {name: two}]")), options(t, target))
	require.NoError(t, err)
	assert.Equal(t, ExitNotBuilt, code)

	rep, code, err := Rows(context.Background(), later(rows(t, "design: {track: [cow-fork, extent-status]}\nfaults: [{name: one}, {name: two}]\nexpect: [{where: {faults: one}, verdict: torn}]")), options(t, target))
	require.NoError(t, err)
	assert.Equal(t, ExitUnexpected, code, "1 comes before 4")
	assert.Equal(t, []string{"held", "not-checked", "skipped", "skipped"}, verdicts(rep))
	for i := range rep.Results {
		assert.Equal(t, i == 1, rep.Results[i].NotBuilt, "row %d", i)
	}

	target.check = &engine.NonsenseError{Reason: "makes no sense"}
	_, code, err = Rows(context.Background(), rows(t, ""), options(t, target))
	assert.ErrorContains(t, err, "x.yaml: makes no sense")
	assert.Equal(t, ExitUsage, code)

	target.check = errors.New("out of range")
	_, code, err = Rows(context.Background(), rows(t, "design: {copy: [pin, plain]}"), options(t, target))
	assert.ErrorContains(t, err, "x.yaml: x copy=pin: out of range")
	assert.Equal(t, ExitUsage, code)

	target.check = nil
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	rep, code, err = Rows(ctx, rows(t, ""), options(t, target))
	require.NoError(t, err)
	assert.True(t, rep.Partial)
	assert.Equal(t, ExitUnexpected, code)
}

func verdicts(rep *report.Report) []string {
	var out []string
	for i := range rep.Results {
		out = append(out, rep.Results[i].Verdict)
	}
	return out
}

func TestUnwritableOutput(t *testing.T) {
	o := options(t, &fake{design: explored(verifier.Held), control: explored(verifier.Torn)})
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	o.Out = filepath.Join(file, "runs")
	_, code, err := Rows(context.Background(), rows(t, ""), o)
	var env *EnvironmentError
	require.ErrorAs(t, err, &env)
	assert.Equal(t, ExitEnvironment, code)
}

// The cache check fails when a count differs, and only then.
func TestCacheCheck(t *testing.T) {
	a, b := explored(verifier.Held), explored(verifier.Held)
	assert.Empty(t, cacheDiffers(&a, &b))
	b.Schedules = count.Of(4)
	assert.Contains(t, cacheDiffers(&a, &b), "3 with it, 4 without")
	b = explored(verifier.Held)
	b.Tally.Counts[7] = count.Of(1)
	assert.Contains(t, cacheDiffers(&a, &b), "what was counted")
	b = explored(verifier.Held)
	b.Findings = []explore.Finding{{Steps: 1}}
	assert.Contains(t, cacheDiffers(&a, &b), "findings")
}

// What a run that was killed left unfinished goes with the next one, and what
// another run is at stays.
func TestLeftovers(t *testing.T) {
	root := t.TempDir()
	row := filepath.Join(root, "scenario")
	require.NoError(t, os.Mkdir(row, 0o755))
	living, err := temp.New(row)
	require.NoError(t, err)
	var left []string
	for _, dir := range []string{root, row} {
		left = append(left, filepath.Join(dir, ".untorn-12345"))
		require.NoError(t, os.MkdirAll(filepath.Join(dir, ".untorn-12345", "row"), 0o755))
	}
	out, err := newOutput(root)
	require.NoError(t, err)
	for _, dir := range left {
		require.NoDirExists(t, dir)
	}
	require.DirExists(t, living.Path)
	require.NoError(t, living.Remove())
	require.NoError(t, os.Remove(row))
	out.close()
	require.NoDirExists(t, root)
}

// A directory is replaced whole, and one that cannot be filled leaves the old
// one alone.
func TestAtomically(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "a", "b")
	fill := func(name string) func(string) error {
		return func(tmp string) error { return os.WriteFile(filepath.Join(tmp, name), nil, 0o600) }
	}
	require.NoError(t, atomically(dir, fill("one")))
	require.NoError(t, atomically(dir, fill("two")))
	assert.NoFileExists(t, filepath.Join(dir, "one"))
	assert.FileExists(t, filepath.Join(dir, "two"))
	failed := errors.New("no room")
	require.ErrorIs(t, atomically(dir, func(tmp string) error { _ = fill("three")(tmp); return failed }), failed)
	assert.FileExists(t, filepath.Join(dir, "two"))
	entries, err := os.ReadDir(filepath.Join(root, "a"))
	require.NoError(t, err)
	assert.Len(t, entries, 1, "no temporary directory stays behind")
}

// Every verdict that scenarios know is one of the verifier's.
func TestVerdictNames(t *testing.T) {
	for _, v := range scenarios.Verdicts {
		_, ok := verifier.ParseVerdict(v)
		assert.True(t, ok, v)
	}
	for name, c := range contracts {
		assert.Equal(t, name, c.String())
	}
}

// A real row leaves a directory that replays to the same verdict, and whose
// image is judged the same by itself; damage to any file is an error.
func TestRunDirectory(t *testing.T) {
	s, err := scenarios.Embedded("no-pin")
	require.NoError(t, err)
	o := options(t, Model{})
	o.Keep = true
	rep, code, err := Rows(context.Background(), s.Rows(), o)
	require.NoError(t, err)
	require.Equal(t, ExitOK, code)
	dir := filepath.Join(o.Out, "no-pin", "single")
	assert.Equal(t, "untorn replay "+dir, rep.Results[0].Counterexample.Replay)
	for _, d := range []string{dir, filepath.Join(dir, "control")} {
		var out bytes.Buffer
		code, err := Replay(&out, Model{}, d)
		require.NoError(t, err)
		assert.Equal(t, ExitOK, code)
		assert.Contains(t, lastLine(out.String()), "torn: unit of op")
		trace, err := os.ReadFile(filepath.Join(d, "trace.txt"))
		require.NoError(t, err)
		assert.Equal(t, string(trace), out.String())

		var judged bytes.Buffer
		code, err = Verify(&judged, filepath.Join(d, "image.raw"), filepath.Join(d, "history.txt"))
		require.NoError(t, err)
		assert.Equal(t, ExitUnexpected, code)
		assert.Equal(t, lastLine(out.String())+"\n", judged.String())
	}

	damage := func(name string, change func([]byte) []byte) func() {
		file := filepath.Join(dir, name)
		old, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(file, change(bytes.Clone(old)), 0o600))
		return func() { require.NoError(t, os.WriteFile(file, old, 0o600)) }
	}
	for _, tc := range []struct {
		name   string
		change func([]byte) []byte
		want   string
	}{
		{"tape.txt", func(p []byte) []byte { return []byte("what is this\n") }, "tape.txt: line 1"},
		{"tape.txt", func(p []byte) []byte { return append([]byte("db copy 99 \"no such fault\"\n"), p...) }, "tape.txt"},
		{"scenario.yaml", func(p []byte) []byte { return bytes.Replace(p, []byte("block: 4KiB"), []byte("block: 5KiB"), 1) }, "design.block"},
		{"scenario.yaml", func(p []byte) []byte {
			return bytes.Replace(p, []byte("nawupf: 512"), []byte("nawupf: [512, 4KiB]"), 1)
		}, "2 rows; allowed: one"},
		{"report.json", func(p []byte) []byte { return p[:len(p)/2] }, "report.json"},
		{"report.json", func(p []byte) []byte {
			return bytes.ReplaceAll(p, []byte(`"verdict": "torn"`), []byte(`"verdict": "lost"`))
		}, "on record is lost, this replay gave torn"},
		{"report.json", func(p []byte) []byte {
			p = bytes.Replace(p, []byte(`"engine": "`+EngineVersion+`"`), []byte(`"engine": "0"`), 1)
			return bytes.ReplaceAll(p, []byte(`"verdict": "torn"`), []byte(`"verdict": "lost"`))
		}, "gave torn; the directory is of engine 0, and this is engine " + EngineVersion},
	} {
		undo := damage(tc.name, tc.change)
		_, err := Replay(&bytes.Buffer{}, Model{}, dir)
		assert.ErrorContains(t, err, tc.want)
		undo()
	}
	undo := damage("report.json", func(p []byte) []byte {
		return bytes.Replace(p, []byte(`"engine": "`+EngineVersion+`"`), []byte(`"engine": "0"`), 1)
	})
	code, err = Replay(&bytes.Buffer{}, Model{}, dir)
	assert.NoError(t, err, "another engine, and the same verdict")
	assert.Equal(t, ExitOK, code)
	undo()
	_, err = Verify(&bytes.Buffer{}, filepath.Join(dir, "ops.txt"), filepath.Join(dir, "history.txt"))
	assert.ErrorContains(t, err, "ops.txt: image:")
	undo = damage("image.raw", func(p []byte) []byte { return p[:len(p)-512] })
	_, err = Verify(&bytes.Buffer{}, filepath.Join(dir, "image.raw"), filepath.Join(dir, "history.txt"))
	assert.ErrorContains(t, err, "truncated")
	undo()
	undo = damage("history.txt", func(p []byte) []byte { return append(p, "call 9\n"...) })
	_, err = Verify(&bytes.Buffer{}, filepath.Join(dir, "image.raw"), filepath.Join(dir, "history.txt"))
	assert.ErrorContains(t, err, "history.txt: ")
	undo()
	_, err = Verify(&bytes.Buffer{}, filepath.Join(dir, "nothing"), filepath.Join(dir, "history.txt"))
	assert.ErrorContains(t, err, "nothing: no such file")
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return lines[len(lines)-1]
}

// Two runs of a row, with one worker and with two, differ in started, host
// and work only.
func TestSameReportForAnyWorkers(t *testing.T) {
	s, err := scenarios.Embedded("boundary")
	require.NoError(t, err)
	var texts []string
	for workers := 1; workers <= 2; workers++ {
		o := options(t, Model{})
		o.Out, o.Workers = "testdata-runs", workers
		t.Cleanup(func() { os.RemoveAll(o.Out) })
		rep, _, err := Rows(context.Background(), s.Rows()[:1], o)
		require.NoError(t, err)
		require.NotEmpty(t, rep.Results)
		for i := range rep.Results {
			rep.Results[i].Work = report.Work{}
		}
		var b bytes.Buffer
		require.NoError(t, report.WriteJSON(&b, rep))
		texts = append(texts, b.String())
	}
	assert.Equal(t, texts[0], texts[1])
}

// TestLargeProduct: rows of a large product that break as expected leave no
// directory and no traces, and say how to have one; a smaller one leaves them.
func TestLargeProduct(t *testing.T) {
	torn := explored(verifier.Held, verifier.Torn)
	sizes := "nawupf: [512, 1024, 1536, 2048, 2560, 3072, 3584, 4096], awun: [512, 1024, 1536, 2048, 2560, 3072, 3584, 4096], dn: [true, false]"
	for extra, large := range map[string]bool{
		"device: {" + sizes + ", fua: [true, false]}\nexpect: torn": true,
		"device: {" + sizes + "}\nexpect: torn":                     false,
	} {
		all := rows(t, extra)
		require.Equal(t, large, len(all) >= largeProduct)
		o := options(t, &fake{design: torn, control: torn})
		rep, code, err := Rows(context.Background(), all, o)
		require.NoError(t, err)
		assert.Equal(t, ExitOK, code)
		_, err = os.Stat(filepath.Join(o.Out, "x"))
		assert.Equal(t, large, os.IsNotExist(err))
		assert.Equal(t, large, len(rep.Results[0].Counterexample.Trace) == 0)
		assert.Equal(t, large, len(rep.Results[0].Control.Counterexample.Trace) == 0)
		replay := rep.Results[0].Counterexample.Replay
		assert.Equal(t, large, strings.HasPrefix(replay, "untorn run x.yaml --row 'nawupf=512 "), replay)
		assert.Equal(t, large, strings.HasSuffix(replay, " --keep"), replay)
	}
}
