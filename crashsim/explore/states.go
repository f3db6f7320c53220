package explore

// states returns how many states the table knows.
func (t *table) states() (n uint64) {
	if t == nil {
		return 0
	}
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		n += uint64(s.n)
		s.mu.Unlock()
	}
	return n
}
