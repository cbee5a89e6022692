"""What the workflows call: other companies, which only pretend, and the shop's own rows."""

from example_project.shop.services.outside import (
    CardDeclined,
    PaymentUnavailable,
    book,
    cancel_booking,
    charge,
    personal_subject,
)
from example_project.shop.services.own import (
    active_subscribers,
    create_invoice,
    find_user,
    in_words,
    place_order,
    post_summary,
    recent_orders,
    sales_summary,
    send_campaign,
    send_mail,
    send_report,
    set_order_status,
    show_dashboard,
    unread_notifications,
)

__all__ = [
    "CardDeclined",
    "PaymentUnavailable",
    "active_subscribers",
    "book",
    "cancel_booking",
    "charge",
    "create_invoice",
    "find_user",
    "in_words",
    "personal_subject",
    "place_order",
    "post_summary",
    "recent_orders",
    "sales_summary",
    "send_campaign",
    "send_mail",
    "send_report",
    "set_order_status",
    "show_dashboard",
    "unread_notifications",
]
