// The peer of the reader: simdjson On-Demand over NDJSON, one thread. Built and loaded by the benchmark (Simdjson.cs).
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <simdjson.h>

using namespace simdjson;

namespace {

// Documents per batch of iterate_many; the longest document has to fit.
constexpr size_t batch_bytes = 1 << 20;

struct verdict {
    bool is_azure = false, is_success = false, has_address = false, is_excluded = false;

    bool is_sign_in() const { return is_azure && is_success && has_address && !is_excluded; }

    // A look at the first bytes stands for reading the address, which is in simdjson's favour.
    void address(std::string_view text) {
        has_address = true;
        is_excluded = text.substr(0, 3) == "10.";
    }
};

// The fields as a tree of the segments of their paths; children by length and first bytes, as a tuned reader would do.
struct node {
    std::string name;
    bool is_field = false;
    int field = -1;
    std::vector<std::unique_ptr<node>> children;
    std::vector<node *> slots;

    static size_t slot_of(std::string_view key, size_t size) {
        return (key.size() * 31 + uint8_t(key[0]) * 7 + uint8_t(key[key.size() - 1]) * 131 + uint8_t(key[key.size() / 2])) & (size - 1);
    }

    node *add(std::string_view key) {
        for (auto &child : children) {
            if (child->name == key) {
                return child.get();
            }
        }

        children.push_back(std::make_unique<node>());
        children.back()->name = key;
        return children.back().get();
    }

    void seal() {
        size_t size = 4;
        while (size < children.size() * 4) {
            size *= 2;
        }

        slots.assign(size, nullptr);
        for (auto &child : children) {
            auto at = slot_of(child->name, size);
            while (slots[at]) {
                at = (at + 1) & (size - 1);
            }

            slots[at] = child.get();
            child->seal();
        }
    }

    const node *find(std::string_view key) const {
        if (key.empty() || children.empty()) {
            return nullptr;
        }

        for (auto at = slot_of(key, slots.size()); slots[at]; at = (at + 1) & (slots.size() - 1)) {
            if (slots[at]->name == key) {
                return slots[at];
            }
        }

        return nullptr;
    }
};

struct walker {
    int dataset, outcome, source_ip;
    char *out;
    verdict now;

    // Copies the value, as keeping it would.
    void keep(const node *field, std::string_view text) {
        std::memcpy(out, text.data(), text.size());
        out += text.size();
        if (field->field == dataset) {
            now.is_azure = text == "azure.signinlogs";
        } else if (field->field == outcome) {
            now.is_success = text == "success";
        } else if (field->field == source_ip) {
            now.address(text);
        }
    }

    void value(const node *at, ondemand::value value) {
        switch (value.type()) {
            case ondemand::json_type::object:
                if (!at->children.empty()) {
                    object(at, value.get_object());
                }

                break;
            case ondemand::json_type::array:
                for (auto element : value.get_array()) {
                    this->value(at, element.value());
                }

                break;
            case ondemand::json_type::string:
                if (at->is_field) {
                    keep(at, value.get_string());
                }

                break;
            default:
                if (at->is_field) {
                    keep(at, value.raw_json_token());
                }
        }
    }

    void object(const node *at, ondemand::object object) {
        for (auto member : object) {
            std::string_view key = member.unescaped_key();
            auto child = at;
            for (size_t start = 0; child && start <= key.size();) {
                auto end = std::min(key.find('.', start), key.size());
                child = child->find(key.substr(start, end - start));
                start = end + 1;
            }

            if (child) {
                value(child, member.value());
            }
        }
    }
};

template <typename Each>
int64_t each_document(const char *lines, size_t length, Each each) {
    try {
        ondemand::parser parser;
#ifdef SIMDJSON_THREADS_ENABLED
        parser.threaded = false;
#endif
        ondemand::document_stream documents = parser.iterate_many(lines, length, batch_bytes);
        int64_t found = 0;
        for (auto document : documents) {
            ondemand::object object = document.get_object();
            found += each(object);
        }

        return found;
    } catch (simdjson_error &error) {
        return -1 - int64_t(error.error());
    }
}

}  // namespace

// Bytes that have to be readable behind the lines.
extern "C" size_t padding() { return SIMDJSON_PADDING; }

// The three fields of one question, in the order in which the documents have them.
extern "C" int64_t sign_ins_by_three_fields(const char *lines, size_t length) {
    return each_document(lines, length, [](ondemand::object document) {
        verdict now;
        ondemand::object event = document.find_field("event").get_object();
        now.is_azure = std::string_view(event.find_field("dataset")) == "azure.signinlogs";
        now.is_success = now.is_azure && std::string_view(event.find_field("outcome")) == "success";
        if (now.is_success) {
            now.address(std::string_view(document.find_field("source").get_object().find_field("ip")));
        }

        return now.is_sign_in();
    });
}

// Every field that ours reads, nested or dotted, each found value copied. Paths are separated by line feeds; room has to hold the longest document.
extern "C" int64_t sign_ins_by_all_fields(const char *lines, size_t length, const char *paths, char *room) {
    node root;
    walker walk{};
    int number = 0;
    for (std::string_view rest = paths; !rest.empty(); number++) {
        auto path = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(rest.size(), path.size() + 1));
        if (path == "event.dataset") {
            walk.dataset = number;
        } else if (path == "event.outcome") {
            walk.outcome = number;
        } else if (path == "source.ip") {
            walk.source_ip = number;
        }

        auto at = &root;
        for (size_t start = 0; start <= path.size();) {
            auto end = std::min(path.find('.', start), path.size());
            at = at->add(path.substr(start, end - start));
            start = end + 1;
        }

        at->is_field = true;
        at->field = number;
    }

    root.seal();
    return each_document(lines, length, [&](ondemand::object document) {
        walk.out = room;
        walk.now = {};
        walk.object(&root, document);
        return walk.now.is_sign_in();
    });
}
