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

# What torture-full explores beyond the bounds of the scenarios: the designs of the
# debate within two faults and two preemptions, and within three and one; the calls
# of sixteen pieces within two of both; the suite within three faults, and as
# many preemptions as end within minutes.
DESIGNS = block ext4 large-block old-or-new xfs
PIECES = many-calls one-call
LARGE = clone collapse insert second-file shift-store append cow-fork recovery-long write-through-append ioend-cap merge remap-chain rewrite same-unit two-writers
SMALL = ext4-collapse-sync clone-direct clone-rewrite clone-unshared clone-past-eof ext4-collapse ext4-punch-size second-file-error half-converted mapping-in-log failed-then-smaller units-of-one-call dontcache-neighbour io-error-fragmented nawupf-odd partition failed-write direct-unwritten size-update append-unaligned flush-lies state-bits-half size-limit recovery direct-busy direct-stored ext4-punch fallocate mmap-store msync punch read sync-range truncate zero-range block-device block-too-large ext4-in-place ext4-ordered ext4-refused ext4-shrinker io-error io-error-direct no-space no-space-neighbour awun direct-cached direct-cow direct-eof direct-in-place direct-overlap dsync dontcache plain-after write-through write-through-copy write-through-wait bounce cow-gc quota retry-again boundary boundary-merge cow-or-atomic eof fsync-durable in-place merge-refused no-pin partial-writeback pinned mlock no-memory page-flag retry retry-dirty \
	plain-writeback short-copy sidecar signal split stable-bounce state-bits sub-folio two-units
SHAPES = append-layouts cloud-volume innodb innodb-doublewrite maintenance overlap postgres-checkpoint postgres-fpw \
	postgres-mixed postgres-wal random small-files sqlite-wal

torture-full: build ## the designs of the debate and the suite, with raised bounds; takes a quarter of an hour
	./bin/untorn run --out runs-designs --faults 3 --preemptions 2 --together 4 $(DESIGNS)
	./bin/untorn run --out runs-pieces --faults 2 --preemptions 2 --together 2 $(PIECES)
	./bin/untorn run --out runs-small --faults 3 --preemptions 3 $(SMALL)
	./bin/untorn run --out runs-large --faults 3 --preemptions 2 $(LARGE)
	./bin/untorn run --out runs-shapes --faults 2 --preemptions 1 $(SHAPES)

debate: build    ## run every design that makes sense; takes minutes
	./bin/untorn run --suite debate --out runs-debate

mutants: build   ## score the suite against planted defects; takes a minute
	./bin/untorn mutants

bench:           ## run the benchmarks
	$(GO) test -run '^$$' -bench . -benchmem ./...

install:         ## put a static binary where go puts its own
	CGO_ENABLED=0 $(GO) install ./cmd/untorn
