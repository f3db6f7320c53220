package sys

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// nvmeAdmin is struct nvme_passthru_cmd of linux/nvme_ioctl.h.
type nvmeAdmin struct {
	opcode, flags        uint8
	_                    uint16
	nsid                 uint32
	_, _                 uint32
	metadata, addr       uint64
	metadataLen, dataLen uint32
	cdw10, cdw11, cdw12  uint32
	cdw13, cdw14, cdw15  uint32
	timeoutMs, result    uint32
}

const (
	nvmeIoctlID     = 0x4e40     // NVME_IOCTL_ID
	nvmeIoctlAdmin  = 0xc0484e41 // NVME_IOCTL_ADMIN_CMD
	nvmeGetFeatures = 0x0a
	nvmeIdentify    = 0x06
	nvmePage        = 4096
)

// NVMe asks the controller of an NVMe namespace by commands that change nothing.
type NVMe struct {
	nsid uint32
	// ioctl is ioctl(2) on the namespace's block device: what it returns, which
	// is the status of an admin command, and the error.
	ioctl func(request uintptr, arg unsafe.Pointer) (int, error)
}

// OpenNVMe returns who asks the disk of a namespace's block device. The
// descriptor stays the caller's.
func OpenNVMe(fd int) (*NVMe, error) {
	return openNVMe(func(request uintptr, arg unsafe.Pointer) (int, error) {
		n, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg))
		if e != 0 {
			return 0, e
		}
		return int(n), nil
	})
}

func openNVMe(ioctl func(uintptr, unsafe.Pointer) (int, error)) (*NVMe, error) {
	id, err := ioctl(nvmeIoctlID, nil)
	if err != nil {
		return nil, fmt.Errorf("NVME_IOCTL_ID: %w", err)
	}
	return &NVMe{nsid: uint32(id), ioctl: ioctl}, nil
}

// Identify returns the structures of 4096 bytes by which the namespace and its
// controller describe themselves (CNS 0 and 1).
func (n *NVMe) Identify() (namespace, controller []byte, err error) {
	namespace, controller = make([]byte, nvmePage), make([]byte, nvmePage)
	if err := n.admin(&nvmeAdmin{opcode: nvmeIdentify, nsid: n.nsid}, namespace); err != nil {
		return nil, nil, fmt.Errorf("identify namespace: %w", err)
	}
	if err := n.admin(&nvmeAdmin{opcode: nvmeIdentify, cdw10: 1}, controller); err != nil {
		return nil, nil, fmt.Errorf("identify controller: %w", err)
	}
	return namespace, controller, nil
}

// Feature returns the value that a feature of the controller has now (Get
// Features, SEL 0), for one that needs no buffer.
func (n *NVMe) Feature(id uint8) (uint32, error) {
	c := nvmeAdmin{opcode: nvmeGetFeatures, cdw10: uint32(id)}
	if err := n.admin(&c, nil); err != nil {
		return 0, fmt.Errorf("get feature 0x%02x: %w", id, err)
	}
	return c.result, nil
}

func (n *NVMe) admin(c *nvmeAdmin, page []byte) error {
	if page != nil {
		c.addr, c.dataLen = uint64(uintptr(unsafe.Pointer(&page[0]))), uint32(len(page))
	}
	status, err := n.ioctl(nvmeIoctlAdmin, unsafe.Pointer(c))
	if err != nil {
		return fmt.Errorf("NVME_IOCTL_ADMIN_CMD: %w", err)
	}
	if status != 0 {
		return fmt.Errorf("NVMe status %#x", status)
	}
	return nil
}
