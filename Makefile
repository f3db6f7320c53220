# Everything goes through the go command; the targets only name what to run.

GO ?= go

.PHONY: help build test torture torture-full torture-deep debate mutants bench install torture-real

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

# Beyond the bounds of the scenarios. torture-full is the debate: the designs within two
# faults and two preemptions, and within three and one; calls of sixteen pieces
# within two of both. torture-deep is the suite, within three faults, three preemptions and
# four of both; LONG within three, which take long, or are known to break within four.
DESIGNS = block ext4 large-block old-or-new xfs
PIECES = many-calls one-call
LONG = ext4-in-place page-flag units-of-one-call

torture-full: build ## every design with raised bounds; takes ten minutes
	./bin/untorn run --out runs-designs --faults 3 --preemptions 2 --together 4 $(DESIGNS)
	./bin/untorn run --out runs-pieces --faults 2 --preemptions 2 --together 2 $(PIECES)

torture-deep: build ## the suite with raised bounds; takes six minutes
	./bin/untorn run --out runs-deep --faults 3 --preemptions 3 --together 4 \
		$$(./bin/untorn scenario list | cut -d' ' -f1 | grep -vxF "$$(printf '%s\n' $(LONG))")
	./bin/untorn run --out runs-long --faults 3 --preemptions 3 --together 3 $(LONG)

debate: build    ## run every design that makes sense; takes minutes
	./bin/untorn run --suite debate --out runs-debate

mutants: build   ## score the suite against planted defects; takes a minute
	./bin/untorn mutants

bench:           ## run the benchmarks
	$(GO) test -run '^$$' -bench . -benchmem ./...

install:         ## put a static binary where go puts its own
	CGO_ENABLED=0 $(GO) install ./cmd/untorn
