"""A small JSON API over the same models the pages use."""

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, JsonResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from catalogue.models import Product

PAGE_SIZE = 6


@require_safe
def product_list(request: HttpRequest) -> JsonResponse:
    """Return a page of the catalogue; ``q``, ``category`` and ``page`` choose which."""
    products = Product.objects.on_sale().matching(
        text=request.GET.get("q", ""), category=request.GET.get("category", "")
    )
    page = Paginator(products, PAGE_SIZE).get_page(request.GET.get("page"))
    return JsonResponse(
        {
            "count": page.paginator.count,
            "pages": page.paginator.num_pages,
            "next": _page_url(request, page.next_page_number()) if page.has_next() else None,
            "previous": (
                _page_url(request, page.previous_page_number()) if page.has_previous() else None
            ),
            "results": [_as_json(request, product) for product in page],
        }
    )


@require_safe
def product_detail(request: HttpRequest, slug: str) -> JsonResponse:
    """Return one product."""
    product = Product.objects.on_sale().filter(slug=slug).first()
    if product is None:
        return JsonResponse({"error": f"There is no product {slug!r}."}, status=404)
    return JsonResponse(
        _as_json(request, product)
        | {
            "description": product.description,
            "material": product.material,
            "dimensions": product.dimensions,
        }
    )


def _as_json(request: HttpRequest, product: Product) -> dict[str, Any]:
    url = reverse("api-product-detail", args=[product.slug])
    return {
        "name": product.name,
        "slug": product.slug,
        "category": product.category.slug,
        "tagline": product.tagline,
        "price": str(product.price),
        "currency": "EUR",
        "in_stock": product.stock > 0,
        "picture": request.build_absolute_uri(product.picture_url),
        "url": request.build_absolute_uri(url),
        "page": request.build_absolute_uri(f"/product/{product.slug}"),
    }


def _page_url(request: HttpRequest, number: int) -> str:
    query = request.GET.copy()
    query["page"] = str(number)
    return request.build_absolute_uri(f"{request.path}?{query.urlencode()}")
