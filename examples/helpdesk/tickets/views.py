"""What the browser asks Django itself for: files."""

from django.http import FileResponse, HttpRequest
from django.shortcuts import get_object_or_404

from tickets.models import Comment


def attachment(_request: HttpRequest, pk: int) -> FileResponse:
    """Hand out a file, to be saved and never shown: anybody at the organisation may upload."""
    comment = get_object_or_404(Comment.objects.exclude(file=""), pk=pk)
    return FileResponse(comment.file, as_attachment=True, filename=comment.text)
