# Everything goes through the go command; the targets only name what to run.

GO ?= go

.PHONY: help build test torture torture-full debate mutants bench install torture-real

help:            ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' Makefile

build:           ## build bin/untorn
	CGO_ENABLED=0 $(GO) build -o bin/untorn ./cmd/untorn

test:            ## vet and test everything
	$(GO) vet ./...
	$(GO) test ./...

torture: build   ## run every embedded scenario and print the table
	./bin/untorn run

torture-real: build ## the running kernel above a disk that loses power; needs root
	./bin/untorn run --suite real --target recorded --out runs-real

# Three faults everywhere, and three preemptions where that ends within minutes;
# two and one for the shapes of applications, which are longer.
LARGE = clone collapse insert second-file shift-store append cow-fork recovery-long write-through-append ioend-cap merge remap-chain rewrite same-unit two-writers
SMALL = ext4-collapse-sync clone-direct clone-rewrite clone-unshared clone-past-eof ext4-collapse ext4-punch-size second-file-error half-converted mapping-in-log failed-then-smaller units-of-one-call dontcache-neighbour io-error-fragmented nawupf-odd partition failed-write direct-unwritten size-update append-unaligned flush-lies state-bits-half size-limit recovery direct-busy direct-stored ext4-punch fallocate mmap-store msync punch read sync-range truncate zero-range block-device block-too-large ext4-in-place ext4-ordered ext4-refused ext4-shrinker io-error io-error-direct no-space no-space-neighbour awun direct-cached direct-cow direct-eof direct-in-place direct-overlap dsync dontcache plain-after write-through write-through-copy write-through-wait bounce cow-gc quota retry-again boundary boundary-merge cow-or-atomic eof fsync-durable in-place merge-refused no-pin partial-writeback pinned mlock no-memory page-flag retry retry-dirty \
	plain-writeback short-copy sidecar signal split stable-bounce state-bits sub-folio two-units
SHAPES = append-layouts cloud-volume innodb innodb-doublewrite maintenance overlap postgres-checkpoint postgres-fpw \
	postgres-mixed postgres-wal random small-files sqlite-wal

# The product of designs; many-calls and one-call, which have 16 pieces, would take
# longer than all of it.
DESIGNS = block ext4 large-block old-or-new xfs

torture-full: debate ## the same and the designs with raised bounds; takes long
	./bin/untorn run --out runs-designs --faults 2 --preemptions 2 $(DESIGNS)
	./bin/untorn run --out runs-designs-3 --faults 3 $(DESIGNS)
	./bin/untorn run --out runs-full --set faults.budget=3 --set explore.preemptions=3 $(SMALL)
	./bin/untorn run --out runs-full --set faults.budget=3 --set explore.preemptions=2 $(LARGE)
	./bin/untorn run --out runs-full --set faults.budget=2 --set explore.preemptions=1 $(SHAPES)

debate: build    ## run every design that makes sense; takes minutes
	./bin/untorn run --suite debate --out runs-debate

mutants: build   ## score the suite against planted defects; takes a minute
	./bin/untorn mutants

bench:           ## run the benchmarks
	$(GO) test -run '^$$' -bench . -benchmem ./...

install:         ## put a static binary where go puts its own
	CGO_ENABLED=0 $(GO) install ./cmd/untorn
