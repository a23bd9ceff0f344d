#include "ppspp/key_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <string.h>  // explicit_bzero
#include <sys/stat.h>

#include <cerrno>
#include <string>

#include "files/file_handle.h"
#include "files/whole_file.h"

namespace ppspp {
namespace {

constexpr std::size_t kMaxKeyFileSize = 64 * 1024;
constexpr auto kDefaultAlgorithm = SignatureAlgorithm::ecdsap256sha256;  // RFC 7574, section 7.7

// Text that leaves nothing in memory. Its string must not grow, which would leave a copy.
class Secret {
 public:
  explicit Secret(std::string text) : text_(std::move(text)) {}
  ~Secret() { explicit_bzero(text_.data(), text_.size()); }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

Unexpected key_error(const std::filesystem::path& path, const Error& error) {
  return fail(error.code, fmt::format("{}: {}", path.string(), error.context));
}

Result<void> check_private(const FileHandle& file, const std::filesystem::path& path) {
  struct stat status;
  if (fstat(file.fd(), &status) != 0) {
    return Unexpected{system_error(errno, "cannot look at", path)};
  }
  if ((status.st_mode & 077) == 0) return {};
  return fail(
      Errc::invalid_argument,
      fmt::format("others may read the private key in {0}: make a new key, or if nobody has "
                  "seen this one run `chmod 600 {0}`",
                  path.string()));
}

// Errc::not_found: there is no such file.
Result<SigningKey> read_key(const std::filesystem::path& path,
                            std::optional<SignatureAlgorithm> algorithm) {
  const auto file = open_regular(path, O_RDONLY);
  if (!file) return Unexpected{file.error()};
  if (const auto is_private = check_private(*file, path); !is_private) {
    return Unexpected{is_private.error()};
  }
  auto octets = read_whole_file(*file, kMaxKeyFileSize, path);
  if (!octets) return Unexpected{octets.error()};
  const Secret pem(std::move(*octets));
  auto key = SigningKey::from_pem(pem.text(), algorithm);
  if (!key) return key_error(path, key.error());
  return key;
}

Result<SigningKey> create_key(const std::filesystem::path& path, SignatureAlgorithm algorithm) {
  auto key = SigningKey::generate(algorithm);
  if (!key) return key_error(path, key.error());
  const Secret pem(key->to_pem());
  if (const auto written = create_whole_file(path, pem.text()); !written) {
    return Unexpected{written.error()};
  }
  return key;
}

}  // namespace

Result<KeyFile> open_key_file(const std::filesystem::path& path,
                              std::optional<SignatureAlgorithm> algorithm) {
  auto existing = read_key(path, algorithm);
  if (existing) return KeyFile{std::move(*existing), false};
  if (existing.error().code != Errc::not_found) return Unexpected{existing.error()};

  auto made = create_key(path, algorithm.value_or(kDefaultAlgorithm));
  if (made) return KeyFile{std::move(*made), true};
  if (made.error().code != Errc::exists) return Unexpected{made.error()};

  // Another process made it meanwhile, or a symbolic link leads nowhere.
  existing = read_key(path, algorithm);
  if (!existing) return Unexpected{existing.error()};
  return KeyFile{std::move(*existing), false};
}

}  // namespace ppspp
