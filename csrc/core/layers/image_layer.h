// What layers that compute images have in common: their work is shared by lines of images.
#pragma once

#include <algorithm>

#include "layers.h"

namespace fastnet {

template <class T> class ImageLayer : public Layer<T> {
  public:
    using Layer<T>::Layer;
    bool computes_images() const override { return true; }

  protected:
    // Calls visit(image, lines of it) for a member's lines of the result, of which an image has `lines`.
    template <class Visit> void for_lines(const Pass<T>& pass, Index lines, double operations, Visit visit) const {
        const Team& team = pass.crew.team;
        const Range mine = team.share(pass.rows * lines);
        for (Index at = mine.begin; at < mine.end;) {
            const Index image = at / lines, first = at % lines;
            const Index end = std::min(lines, first + mine.end - at);
            if (!team.goes_on(operations * static_cast<double>(end - first) / static_cast<double>(lines)))
                return;
            visit(image, Range{first, end});
            at += end - first;
        }
    }

    // Applies an epilogue of rows of `row` values to the values from `begin` to `end` of row i.
    static void apply(const Epilogue<T>* epilogue, Index i, Index row, Index begin, Index end, T* y) {
        if (!epilogue || (epilogue->function == kernels<T>().activations[0].forward && !epilogue->bias))
            return;
        const Epilogue<T> piece = epilogue->at(i, begin);
        epilogue->function(1, end - begin, y + i * row + begin, end - begin, piece);
    }

    // y = epilogue(map), image by image: map(image, lines, the image's result) computes some lines of its result.
    template <class Map>
    void map_lines(const Pass<T>& pass, Index lines, Index line_size, T* y, const Epilogue<T>* epilogue,
                   Map map) const {
        const Index size = lines * line_size;
        for_lines(pass, lines, this->operations_per_row(), [&](Index image, Range mine) {
            map(image, mine, y + image * size);
            apply(epilogue, image, size, mine.begin * line_size, mine.end * line_size, y);
        });
    }
    // The same where the lines of a result are not independent of each other.
    template <class Map>
    void map_images(const Pass<T>& pass, Index size, T* y, const Epilogue<T>* epilogue, Map map) const {
        map_lines(pass, 1, size, y, epilogue, [&](Index image, Range, T* result) { map(image, result); });
    }
};

}  // namespace fastnet
