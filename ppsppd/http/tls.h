// The server's end of TLS (RFC 8446, 5246): a certificate chain and its key.
#pragma once

#include <filesystem>
#include <memory>

#include "ppspp/result.h"

namespace ppspp::http {

class TlsIdentity {
 public:
  // PEM files; the server's certificate comes first in its file. Errors: a file that cannot be
  // read, is no certificate or key, or a key that is another certificate's.
  static Result<std::shared_ptr<TlsIdentity>> load(const std::filesystem::path& certificate,
                                                   const std::filesystem::path& key);
  ~TlsIdentity();

  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  explicit TlsIdentity(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ppspp::http
