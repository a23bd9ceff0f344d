// The files that make a live feed the same feed again after a restart: its private key, and how far
// its chunks are numbered.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>

#include "ppspp/chunk_range.h"
#include "ppspp/result.h"
#include "ppspp/signing_key.h"

namespace ppspp {

struct KeyFile {
  SigningKey key;
  bool created = false;  // the file did not exist, and was made
};

// Reads the private key (PEM) in `path`, or makes one where there is no such file (mode 0600, on
// the disk when this returns; never over an existing file). `algorithm`: of a key that is made
// (ECDSAP256SHA256 if none is given); an existing key has to be for it. An RSA key does not say
// which of its two algorithms it is for: RSASHA1 has to be asked for each time, or it is RSASHA256
// and another feed. Errors, each one line for the user: not readable, not a key, a key for another
// algorithm, a file that others may read.
Result<KeyFile> open_key_file(const std::filesystem::path& path,
                              std::optional<SignatureAlgorithm> algorithm = {});

// The numbers that the feed of a key has used, in KEY.next beside the key file. A source that
// starts again has to go on with higher numbers: what it signed before is still believed (RFC 7574
// is silent; decision 28). Also the lock that keeps two sources from using one key at once.
class FeedNumbers {
 public:
  // Errc::exists: another process publishes with this key.
  static Result<FeedNumbers> open(const std::filesystem::path& key_file);

  FeedNumbers(FeedNumbers&&) noexcept;
  FeedNumbers& operator=(FeedNumbers&&) noexcept;
  ~FeedNumbers();  // gives the lock back

  // The first number that was not reserved when the files were opened: 0 for a key never used.
  ChunkIndex first() const;
  // How many chunks the feed has signed at once, which it cannot change (6.1.2.1): 0: not known.
  std::uint64_t chunks_per_signature() const;
  // Numbers below `end` may be used from now on, also if the process is killed: on the disk when
  // this returns. Less than before changes nothing. `chunks_per_signature`: kept as well; 0: as it
  // was. Blocks; may be called from any thread. Errors: the disk is full or refuses; what was
  // reserved before holds, and one may try again.
  Result<void> reserve(ChunkIndex end, std::uint64_t chunks_per_signature = 0);

 private:
  struct Impl;
  explicit FeedNumbers(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ppspp
