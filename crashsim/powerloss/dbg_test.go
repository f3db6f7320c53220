package powerloss_test

import ("testing";"os";"strconv";"fmt")

func TestDbg(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("SEED"))
	if os.Getenv("SEED") == "" { t.Skip() }
	w := newWorld(uint64(n)); w.program()
	fmt.Printf("%+v\n", w.rules); fmt.Println(w.h.String())
	for i := range w.log.Events { fmt.Println(w.log.Events[i].String(), w.log.Events[i].Payload) }
	s, _ := w.replay()
	b, all := w.judge(t, nil, func(c *classes) { s.Brute(c) })
	r, some := w.judge(t, nil, func(c *classes) { s.Images(c, c.Partition()) })
	fmt.Println(w.super)
	for k := range all { if !some[k] { fmt.Println("missing", k) } }
	for k := range some { if !all[k] { fmt.Println("extra", k) } }
	for v := range b.Verdicts { fmt.Println(v, b.Verdicts[v], r.Verdicts[v]) }
}
