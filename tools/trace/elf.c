// SPDX-License-Identifier: MIT
/*
 * Does an ELF file carry the USDT notes of libflowipc? The file may belong to
 * anybody while we are root, so nothing in it is believed: it is read, not
 * mapped, and every size is checked.
 */
#include "files.h"

#include <elf.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NT_STAPSDT 3
/* All notes of a file together; more is not read. */
#define MAX_NOTE_BYTES (16u << 20)
#define FOUND_SEND 1u
#define FOUND_RECEIVE 2u
#define FOUND_BOTH (FOUND_SEND | FOUND_RECEIVE)

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NATIVE_DATA ELFDATA2LSB
#else
#define NATIVE_DATA ELFDATA2MSB
#endif

static int read_at(int fd, void *buffer, size_t size, uint64_t offset)
{
	size_t done = 0;

	if (offset > INT64_MAX - size)
		return -ENOEXEC;
	while (done < size) {
		ssize_t n = pread(fd, (char *)buffer + done, size - done,
				  (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENOEXEC;
		done += (size_t)n;
	}
	return 0;
}

/* After three addresses come the provider, the probe and its arguments. */
static unsigned int found_in_note(const char *desc, size_t size)
{
	const char *provider, *probe;
	size_t addresses = 3 * sizeof(Elf64_Addr);

	if (size <= addresses || desc[size - 1] != '\0')
		return 0;
	provider = desc + addresses;
	if (strcmp(provider, "flowipc"))
		return 0;
	probe = provider + sizeof("flowipc");
	if (probe >= desc + size)
		return 0;
	if (!strcmp(probe, "send"))
		return FOUND_SEND;
	if (!strcmp(probe, "receive"))
		return FOUND_RECEIVE;
	return 0;
}

static unsigned int found_in_notes(const char *notes, size_t size)
{
	unsigned int found = 0;
	size_t at = 0;

	while (size - at >= sizeof(Elf64_Nhdr)) {
		size_t name_at, desc_at, name_size, desc_size;
		Elf64_Nhdr note;

		memcpy(&note, notes + at, sizeof(note));
		name_at = at + sizeof(note);
		name_size = ((size_t)note.n_namesz + 3) & ~(size_t)3;
		if (name_size > size - name_at)
			break;
		desc_at = name_at + name_size;
		desc_size = note.n_descsz;
		if (desc_size > size - desc_at)
			break;
		if (note.n_type == NT_STAPSDT &&
		    note.n_namesz == sizeof("stapsdt") &&
		    !memcmp(notes + name_at, "stapsdt", sizeof("stapsdt")))
			found |= found_in_note(notes + desc_at, desc_size);
		desc_size = (desc_size + 3) & ~(size_t)3;
		if (desc_size > size - desc_at)
			break;
		at = desc_at + desc_size;
	}
	return found;
}

static int found_in_section(int fd, const Elf64_Shdr *section, size_t *allowed)
{
	char *notes;
	int ret;

	if (section->sh_type != SHT_NOTE || !section->sh_size ||
	    section->sh_size > *allowed)
		return 0;
	*allowed -= section->sh_size;
	notes = malloc(section->sh_size);
	if (!notes)
		return -ENOMEM;
	ret = read_at(fd, notes, section->sh_size, section->sh_offset);
	if (!ret)
		ret = (int)found_in_notes(notes, section->sh_size);
	free(notes);
	return ret;
}

int trace_file_has_probes(int fd)
{
	size_t allowed = MAX_NOTE_BYTES;
	unsigned int found = 0;
	Elf64_Shdr section;
	Elf64_Ehdr header;
	unsigned int i;
	int ret;

	ret = read_at(fd, &header, sizeof(header), 0);
	if (ret)
		return ret;
	if (memcmp(header.e_ident, ELFMAG, SELFMAG) ||
	    header.e_ident[EI_CLASS] != ELFCLASS64 ||
	    header.e_ident[EI_DATA] != NATIVE_DATA ||
	    (header.e_shnum && header.e_shentsize != sizeof(section)))
		return -ENOEXEC;

	for (i = 0; i < header.e_shnum && found != FOUND_BOTH; i++) {
		if (header.e_shoff > UINT64_MAX / 2)
			return -ENOEXEC;
		ret = read_at(fd, &section, sizeof(section),
			      header.e_shoff + i * sizeof(section));
		if (ret)
			return ret;
		ret = found_in_section(fd, &section, &allowed);
		if (ret < 0)
			return ret;
		found |= (unsigned int)ret;
	}
	return found == FOUND_BOTH;
}
