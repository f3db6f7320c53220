package engine

import "untorn/crashsim"

// Labels of the steps, in the order of the step list. Each call of Step has a
// label of its own; labels that share a number are places of the same step.
const (
	stepSyscall crashsim.Step = iota
	stepDirectValidate
	stepDirectLock
	stepDirectFlush
	stepDirectInvalidate
	stepDirectMap
	stepDirectSubmit
	stepDirectComplete
	stepDirectConvert
	stepDirectRemap
	stepDirectSize
	stepDirectEnd
	stepWriteSync
	stepTruncateLock
	stepTruncateZero
	stepTruncateCache
	stepTruncateFlush
	stepTruncateSize
	stepFreeExtent
	stepPunchLock
	stepPunchFlush
	stepPunchSize
	stepPunchCache
	stepPunchEdges
	stepFallocateLock
	stepAllocateRange
	stepAllocateSize
	stepShiftLock
	stepShiftFlush
	stepShiftCache
	stepShiftExtent
	stepShiftHandle
	stepCloneLock
	stepCloneFlush
	stepCloneZero
	stepCloneUnmap
	stepCloneCache
	stepCloneExtent
	stepCloneSize
	stepMkwrite
	stepStore
	stepReadLock
	stepReadFolio
	stepReadCopy
	stepDirectReadFlush
	stepDirectRead
	stepMsync
	stepSyncFileRange
	stepSyncRangeReturn
	stepValidate
	stepInodeLock
	stepWriteChecks
	stepPin
	stepMap
	stepThrottle
	stepFaultIn
	stepSignal
	stepGetFolio
	stepStablePages
	stepMapValid
	stepReadModify
	stepCopy
	stepCopyEnd
	stepTag
	stepUnlockFolio
	stepRetry
	stepNextFolio
	stepUnlockInode
	stepSubmitThrough
	stepWaitThrough
	stepWritebackKick
	stepWritebackBegin
	stepWritebackSync
	stepPickFolios
	stepClearDirty
	stepEOF
	stepStartWriteback
	stepMapBlocks
	stepChoose
	stepAddIoend
	stepDiscard
	stepSizeFirst
	stepConvertUnit
	stepOrdered
	stepUnlockPicked
	stepSubmitFull
	stepSubmit
	stepBlockLayer
	stepExecute
	stepIoendWork
	stepIoendError
	stepRemap
	stepRemapExtent
	stepRemapIoend
	stepConvert
	stepSize
	stepEndWriteback
	stepLogWorker
	stepLogFlush
	stepLogWrite
	stepLogPostFlush
	stepFsync
	stepDeviceFlush
	stepFsyncReturn
	stepRecoverRead
	stepRecoverLog
	stepRecoverHome
	stepRecoverFlush
	numSteps
)

// Steps describes the labels of the engine's machines.
func Steps() []crashsim.StepInfo { return stepTable[:] }

// stepTable describes each label: the number of the step list and a name that
// is unique, since tapes are keyed by it.
var stepTable = [numSteps]crashsim.StepInfo{
	stepSyscall:          {Num: "0", Name: "enter system call"},
	stepDirectValidate:   {Num: "D1", Name: "direct: validate"},
	stepDirectLock:       {Num: "D2", Name: "direct: lock inode"},
	stepDirectFlush:      {Num: "D3", Name: "direct: write back range"},
	stepDirectInvalidate: {Num: "D4", Name: "direct: invalidate page cache"},
	stepDirectMap:        {Num: "D5", Name: "direct: map"},
	stepDirectSubmit:     {Num: "D6", Name: "direct: submit"},
	stepDirectComplete:   {Num: "D7", Name: "direct: complete"},
	stepDirectConvert:    {Num: "D7", Name: "direct: convert unwritten"},
	stepDirectRemap:      {Num: "D7", Name: "direct: remap shared blocks"},
	stepDirectSize:       {Num: "D8", Name: "direct: log size"},
	stepDirectEnd:        {Num: "D9", Name: "direct: invalidate and unlock"},
	stepWriteSync:        {Num: "18", Name: "sync of a DSYNC write"},
	stepTruncateLock:     {Num: "T1", Name: "truncate: lock inode"},
	stepTruncateZero:     {Num: "T2", Name: "truncate: zero rest of block"},
	stepTruncateCache:    {Num: "T3", Name: "truncate: size and page cache"},
	stepTruncateFlush:    {Num: "T4", Name: "truncate: write back before the size"},
	stepTruncateSize:     {Num: "T4", Name: "truncate: log size"},
	stepFreeExtent:       {Num: "T5", Name: "free extent"},
	stepPunchLock:        {Num: "T6", Name: "punch: lock inode"},
	stepPunchFlush:       {Num: "T7", Name: "punch: write back range"},
	stepPunchSize:        {Num: "T7", Name: "punch: log size first"},
	stepPunchCache:       {Num: "T8", Name: "punch: drop page cache"},
	stepPunchEdges:       {Num: "T9", Name: "punch: zero edges"},
	stepFallocateLock:    {Num: "T10", Name: "fallocate: lock inode"},
	stepAllocateRange:    {Num: "T11", Name: "fallocate: allocate extent"},
	stepAllocateSize:     {Num: "T12", Name: "fallocate: log size"},
	stepShiftLock:        {Num: "T13", Name: "shift: lock inode"},
	stepShiftFlush:       {Num: "T14", Name: "shift: write back to EOF"},
	stepShiftCache:       {Num: "T15", Name: "shift: drop page cache"},
	stepShiftExtent:      {Num: "T16", Name: "shift: move extent"},
	stepShiftHandle:      {Num: "T17", Name: "shift: extents and size in one handle"},
	stepCloneLock:        {Num: "T18", Name: "clone: lock both inodes"},
	stepCloneFlush:       {Num: "T19", Name: "clone: write back source"},
	stepCloneZero:        {Num: "T19", Name: "clone: zero past EOF"},
	stepCloneUnmap:       {Num: "T19", Name: "clone: write back destination"},
	stepCloneCache:       {Num: "T20", Name: "clone: drop page cache"},
	stepCloneExtent:      {Num: "T21", Name: "clone: remap extent"},
	stepCloneSize:        {Num: "T22", Name: "clone: log size"},
	stepMkwrite:          {Num: "19", Name: "page fault for a store"},
	stepStore:            {Num: "M1", Name: "store"},
	stepReadLock:         {Num: "G1", Name: "read: lock inode"},
	stepReadFolio:        {Num: "G2", Name: "read: fill folio"},
	stepReadCopy:         {Num: "G3", Name: "read: copy"},
	stepDirectReadFlush:  {Num: "G4", Name: "direct read: write back range"},
	stepDirectRead:       {Num: "G5", Name: "direct read: read device"},
	stepMsync:            {Num: "20", Name: "begin msync"},
	stepSyncFileRange:    {Num: "20", Name: "begin sync of a range"},
	stepSyncRangeReturn:  {Num: "20", Name: "sync of a range: report"},
	stepValidate:         {Num: "1", Name: "validate"},
	stepInodeLock:        {Num: "2", Name: "lock inode"},
	stepWriteChecks:      {Num: "3", Name: "write checks"},
	stepPin:              {Num: "4", Name: "pin user pages"}, // or lock them, or copy them to a private buffer
	stepMap:              {Num: "5", Name: "map and reserve"},
	stepThrottle:         {Num: "6", Name: "throttle on dirty pages"},
	stepFaultIn:          {Num: "7", Name: "fault user pages in"},
	stepSignal:           {Num: "8", Name: "check for fatal signal"},
	stepGetFolio:         {Num: "9", Name: "get and lock folio"},
	stepStablePages:      {Num: "9", Name: "wait for stable pages"},
	stepMapValid:         {Num: "10", Name: "check mapping"},
	stepReadModify:       {Num: "11", Name: "read-modify-write"},
	stepCopy:             {Num: "12", Name: "copy"},
	stepCopyEnd:          {Num: "13", Name: "end of copy"},
	stepTag:              {Num: "14", Name: "tag atomic range"},
	stepUnlockFolio:      {Num: "15", Name: "size and unlock folio"},
	stepRetry:            {Num: "16", Name: "retry rejected copy"},
	stepNextFolio:        {Num: "17", Name: "next folio"},
	stepUnlockInode:      {Num: "18", Name: "unlock inode"},
	stepSubmitThrough:    {Num: "29", Name: "submit under the folio lock"},
	stepWaitThrough:      {Num: "18", Name: "wait for own writeback"},
	stepWritebackKick:    {Num: "20", Name: "kick writeback of own range"},
	stepWritebackBegin:   {Num: "20", Name: "begin writeback"},
	stepWritebackSync:    {Num: "20", Name: "begin sync writeback"},
	stepPickFolios:       {Num: "21", Name: "pick folios"},
	stepClearDirty:       {Num: "22", Name: "clear dirty"},
	stepEOF:              {Num: "23", Name: "zero at EOF"},
	stepStartWriteback:   {Num: "24", Name: "mark writeback"},
	stepMapBlocks:        {Num: "25", Name: "map blocks"},
	stepChoose:           {Num: "26", Name: "choose in place or CoW"},
	stepAddIoend:         {Num: "27", Name: "add to ioend"},
	stepDiscard:          {Num: "25", Name: "discard block without a place"},
	stepSizeFirst:        {Num: "25", Name: "log size with the mapping"},
	stepConvertUnit:      {Num: "34", Name: "convert unwritten unit"},
	stepOrdered:          {Num: "37", Name: "commit: write ordered data"},
	stepUnlockPicked:     {Num: "28", Name: "unlock folio under writeback"},
	stepSubmitFull:       {Num: "29", Name: "submit bio at discontiguity"},
	stepSubmit:           {Num: "29", Name: "submit bio"},
	stepBlockLayer:       {Num: "30", Name: "split, merge, dispatch"},
	stepExecute:          {Num: "31", Name: "device executes", Device: true},
	stepIoendWork:        {Num: "32", Name: "complete ioend"},
	stepIoendError:       {Num: "33", Name: "ioend error"},
	stepRemap:            {Num: "34", Name: "log remap intents"},
	stepRemapExtent:      {Num: "34", Name: "remap extent"},
	stepRemapIoend:       {Num: "34", Name: "remap ioend"},
	stepConvert:          {Num: "34", Name: "convert unwritten"},
	stepSize:             {Num: "35", Name: "log size"},
	stepEndWriteback:     {Num: "36", Name: "end writeback"},
	stepLogWorker:        {Num: "37", Name: "log worker"},
	stepLogFlush:         {Num: "37", Name: "log force: flush"},
	stepLogWrite:         {Num: "37", Name: "log force: write"},
	stepLogPostFlush:     {Num: "37", Name: "log force: flush after write"},
	stepFsync:            {Num: "38", Name: "fsync: force log"},
	stepDeviceFlush:      {Num: "38", Name: "fsync: flush device"},
	stepFsyncReturn:      {Num: "38", Name: "fsync: report"},
	stepRecoverRead:      {Num: "R1", Name: "recovery: read log"},
	stepRecoverLog:       {Num: "R2", Name: "recovery: log intents done"},
	stepRecoverHome:      {Num: "R3", Name: "recovery: write inode"},
	stepRecoverFlush:     {Num: "R4", Name: "recovery: flush"},
}
