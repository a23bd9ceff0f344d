#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <mutex>
#include <string>
#include <system_error>

#include "files/file_handle.h"
#include "files/whole_file.h"
#include "ppspp/key_file.h"

namespace ppspp {
namespace {

constexpr std::string_view kNext = "next ";
constexpr std::string_view kWidth = "chunks-per-signature ";
constexpr std::size_t kMaxSize = 64;  // both lines at their longest have 52

struct Numbers {
  ChunkIndex next = 0;
  std::uint64_t width = 0;  // chunks per signature; 0: not known
};

std::string numbers_text(const Numbers& numbers) {
  const std::string next = fmt::format("{}{}\n", kNext, numbers.next);
  return numbers.width == 0 ? next : fmt::format("{}{}{}\n", next, kWidth, numbers.width);
}

// Takes a line "WORD number" off the front of the text.
std::optional<std::uint64_t> take_line(std::string_view& text, std::string_view word) {
  const std::size_t size = text.find('\n');
  if (size == std::string_view::npos || !text.starts_with(word)) return std::nullopt;
  const std::string_view digits = text.substr(0, size).substr(word.size());
  text.remove_prefix(size + 1);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const bool all = error == std::errc() && end == digits.data() + digits.size();
  return all ? std::optional(number) : std::nullopt;
}

std::optional<Numbers> parse_numbers(std::string_view text) {
  const auto next = take_line(text, kNext);
  if (!next || *next > kMaxChunks) return std::nullopt;
  if (text.empty()) return Numbers{*next, 0};
  const auto width = take_line(text, kWidth);
  const bool possible = width && *width >= 2 && std::has_single_bit(*width);
  return possible && text.empty() ? std::optional(Numbers{*next, *width}) : std::nullopt;
}

// The lock is on the key itself, which is never replaced. To have it on a file system of the
// network the file must be open for writing, which a careful user may not allow.
Result<FileHandle> open_key(const std::filesystem::path& path) {
  auto file = open_regular(path, O_RDWR);
  return file ? std::move(file) : open_regular(path, O_RDONLY);
}

Result<FileHandle> lock_key(const std::filesystem::path& path) {
  auto file = open_key(path);
  if (!file) return file;
  // A file system without locks (ENOLCK, EOPNOTSUPP) must do without.
  if (flock(file->fd(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    return fail(Errc::exists, fmt::format("another process publishes with the key {}: stop it, or "
                                          "use another key",
                                          path.string()));
  }
  return file;
}

// 0 where no number was ever reserved.
Result<Numbers> read_numbers(const std::filesystem::path& path) {
  const auto file = open_regular(path, O_RDONLY);
  if (!file && file.error().code == Errc::not_found) return Numbers{};
  if (!file) return Unexpected{file.error()};
  const auto text = read_whole_file(*file, kMaxSize, path);
  if (!text) return Unexpected{text.error()};
  const auto numbers = parse_numbers(*text);
  if (!numbers) {
    return fail(Errc::invalid_argument,
                fmt::format("{} is damaged: write a line like 'next 123456' into it, with a number "
                            "above all chunks that the feed had, or make a new key",
                            path.string()));
  }
  return *numbers;
}

}  // namespace

struct FeedNumbers::Impl {
  std::filesystem::path path;
  FileHandle lock;
  ChunkIndex first = 0;
  std::mutex mutex;  // for what follows
  Numbers kept;
};

Result<FeedNumbers> FeedNumbers::open(const std::filesystem::path& key_file) {
  // Beside the key itself, so that a symbolic link to it does not make another feed of it.
  std::error_code error;
  auto path = std::filesystem::canonical(key_file, error);
  if (error) return Unexpected{system_error(error.value(), "cannot open", key_file)};
  auto lock = lock_key(path);
  if (!lock) return Unexpected{lock.error()};
  path += ".next";
  const auto next = read_numbers(path);
  if (!next) return Unexpected{next.error()};

  auto impl = std::make_unique<Impl>();
  impl->path = std::move(path);
  impl->lock = std::move(*lock);
  impl->first = next->next;
  impl->kept = *next;
  return FeedNumbers(std::move(impl));
}

FeedNumbers::FeedNumbers(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
FeedNumbers::FeedNumbers(FeedNumbers&&) noexcept = default;
FeedNumbers& FeedNumbers::operator=(FeedNumbers&&) noexcept = default;
FeedNumbers::~FeedNumbers() = default;

ChunkIndex FeedNumbers::first() const {
  return impl_->first;
}

std::uint64_t FeedNumbers::chunks_per_signature() const {
  const std::lock_guard guard(impl_->mutex);
  return impl_->kept.width;
}

Result<void> FeedNumbers::reserve(ChunkIndex end, std::uint64_t chunks_per_signature) {
  const std::lock_guard guard(impl_->mutex);
  Numbers wanted = impl_->kept;
  wanted.next = std::max(wanted.next, end);
  if (chunks_per_signature != 0) wanted.width = chunks_per_signature;
  if (wanted.next == impl_->kept.next && wanted.width == impl_->kept.width) return {};
  auto written = replace_whole_file(impl_->path, numbers_text(wanted));
  if (written) impl_->kept = wanted;
  return written;
}

}  // namespace ppspp
